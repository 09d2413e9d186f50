"""Django settings: one module, no per-environment copies; what differs is a variable in ``env``."""

import os
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django_stubs_ext

from governance.blob_store import blob_store
from governance.classifiers_file import read_classifiers
from governance.env import BASE_DIR, env
from governance.kernel.secrets import Peppers, secret_mark
from governance.stack.addresses import living_addresses

django_stubs_ext.monkeypatch()

# Our arrays are small: on a busy machine numpy's threads wait for each other six times longer than
# they work. Read when numpy is first imported, which is after this; torch has threads of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


# Where the embedded servers of this LICET_HOME listen, if they run.
_embedded = {} if env.database_url and env.redis_url else living_addresses(env.home)
DATABASE_URL = env.database_url or _embedded.get("database_url", "")
REDIS_URL = env.redis_url or _embedded.get("redis_url", "")
BROKER_URL = env.broker_url or REDIS_URL


def database_from_url(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for a PostgreSQL address.

    The socket folder may be ?host=/path; ?pool=off connects without a pool (tests).
    ?pool=transaction is for PgBouncer in transaction mode: nothing that outlives a transaction, so no
    cursors on the server and no session parameters; the role has to set them (docs/deploy.md).
    """
    # Without an address there is no server: no pool, so that the error comes at once.
    parts = urlsplit(url or "postgresql://postgres@127.0.0.1:5432/licet?pool=off")
    options: dict[str, Any] = {
        "pool": {"min_size": 1, "max_size": 16, "timeout": 30},
        "options": "-c statement_timeout=30000 -c lock_timeout=10000 -c timezone=UTC",
    }
    host = parts.hostname or ""
    through_pooler = False
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if name == "host":
            host = unquote(value)
        elif (name, value) == ("pool", "off"):
            del options["pool"]
        elif (name, value) == ("pool", "transaction"):
            through_pooler = True
            del options["pool"], options["options"]
        elif name:
            options[name] = unquote(value)
    return {
        "ENGINE": "governance.gateways.tenant_postgres",
        "NAME": parts.path.lstrip("/") or "licet",
        "USER": unquote(parts.username or "postgres"),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": through_pooler,
        "OPTIONS": options,
    }


SECRET_KEY = env.secret_key.get_secret_value()
DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in env.allowed_hosts.split(",") if host.strip()]
PUBLIC_URL = env.base_url
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# Other sites' pages may call the API only where the operator names them; the portal never.
CORS_ALLOWED_ORIGINS = [origin.strip() for origin in env.cors_origins.split(",") if origin.strip()]
CORS_URLS_REGEX = r"^/(v1|hf|generate|jobs)/"
CORS_EXPOSE_HEADERS = [
    "x-request-id", "x-generation-id", "x-cost-microusd", "location", "retry-after", "ratelimit",
    "ratelimit-policy",
]  # fmt: skip

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "corsheaders",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    *(["allauth.socialaccount.providers.saml"] if find_spec("onelogin") else []),
    "governance",
    "moderation",
    "billing",
    "inference",
]

MIDDLEWARE = [
    "governance.middleware.RequestId",
    "governance.middleware.RequestRecord",
    "governance.middleware.NobodysTenant",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "governance.middleware.ApiProblems",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

# What the API's addresses pass (governance.asgi): all of it asynchronous, so no change of thread.
API_MIDDLEWARE = [
    "governance.middleware.RequestId",
    "governance.middleware.RequestRecord",
    "governance.middleware.NobodysTenant",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "governance.middleware.ApiProblems",
    "governance.middleware.ApiHeaders",
]

ROOT_URLCONF = "governance.urls"
ASGI_APPLICATION = "governance.asgi.application"
WSGI_APPLICATION = "governance.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "governance.portal.context.portal",
            ],
        },
    },
]

DATABASES = {"default": database_from_url(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://127.0.0.1:6379/0",
        "KEY_PREFIX": "licet",
    }
}

AUTH_USER_MODEL = "governance.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "governance.api.account_letters.AccountLetters"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Licet: "
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Single sign-on of an organization (OIDC, SAML): governance.api.sign_on decides who comes in.
SOCIALACCOUNT_ADAPTER = "governance.api.sign_on.OrganizationSignOn"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_LOGIN_ON_GET = True
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    # The operator's raw tables under /admin/ need unfold's inline scripts; the portal never does.
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'", "https://checkout.stripe.com"],
    },
}

REST_FRAMEWORK: dict[str, object] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["governance.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["governance.api.permissions.HasApiKey"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["governance.api.parsers.BoundedJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "governance.api.negotiation.AlwaysTheFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["governance.api.throttles.RateLimit"],
    "EXCEPTION_HANDLER": "governance.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Licet",
    "DESCRIPTION": "Host Krea 2 for many organizations and stay within its licence.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "governance.api.schema.with_problems",
    ],
}

CELERY_BROKER_URL = BROKER_URL or "redis://127.0.0.1:6379/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A doorbell lives for milliseconds; the visibility timeout stays far above that.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600} if "redis" in BROKER_URL else {}
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = {
    "inference.tasks.doorbell": {"queue": "generation"},
    "inference.tasks.training_doorbell": {"queue": "training"},
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": blob_store(
        env.storage,
        default=env.blob_root or env.home / "blobs",
        endpoint=env.s3_endpoint,
        region=env.s3_region,
    ),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if env.smtp_host else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = env.home / "mail"
EMAIL_HOST = env.smtp_host
EMAIL_PORT = env.smtp_port
EMAIL_HOST_USER = env.smtp_user
EMAIL_HOST_PASSWORD = env.smtp_password.get_secret_value()
EMAIL_USE_TLS = env.smtp_security == "starttls"
EMAIL_USE_SSL = env.smtp_security == "tls"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.mail_from
MAIL_KEPT_DAYS: int = env.mail_kept_days
# Shows every letter in the portal; a link that signs somebody in is among them.
DEVELOPMENT_INBOX: bool = env.environment == "development"

_classifiers = read_classifiers(env.classifiers_file)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "redacted": {
            "()": "governance.kernel.log_events.formatter",
            "form": env.log_format,
            "secrets": (
                *env.secret_values,
                *(unquote(urlsplit(url).password or "") for url in (DATABASE_URL, REDIS_URL)),
                *(str(each.get("key", "")) for each in _classifiers.values()),
            ),
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "redacted"}},
    "root": {"handlers": ["stderr"], "level": env.log_level},
    "loggers": {
        # Its own handlers know nothing of redaction; governance.middleware tells each request instead.
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.error": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
    },
}
OTLP_ENDPOINT: str = env.otlp_endpoint

# What Licet exists for: adapters by dotted path, as Django does for e-mail and storage.
MODELS: tuple[str, ...] = tuple(
    each.strip() for each in env.model_folder.split(",") if each.strip()
)
MODEL_FOLDER: str = MODELS[0]
MODEL_REVISION: str = env.model_revision
MODEL_COMPONENTS: str = env.model_components
GPUS: tuple[str, ...] = tuple(each.strip() for each in env.gpus.split(",") if each.strip())
ENGINE_THREADS: int = env.engine_threads
API_KEY_PEPPERS = Peppers(
    env.api_key_pepper.get_secret_value(),
    tuple(
        pepper.strip()
        for pepper in env.older_api_key_peppers.get_secret_value().split(",")
        if pepper.strip()
    ),
)
# Units in RATE_WINDOW_S seconds; 0 is no limit. What a call weighs: governance.api.throttles.
RATE_LIMIT_KEY: int = env.rate_limit_key
RATE_LIMIT_ORGANIZATION: int = env.rate_limit_organization
WEBHOOK_PRIVATE_NETWORKS = tuple(
    ip_network(part.strip()) for part in env.webhook_private_networks.split(",") if part.strip()
)
LEAK_SCANNER_KEYS: Path | None = env.leak_scanner_keys
ENGINE_LANES: int = env.engine_lanes
JOB_DEADLINE_S: int = env.job_deadline_s
DRAIN_S: int = env.drain_s
TRAINING_MODEL: str = env.training_model
TRAINING_GPU: str = env.training_gpu
TRAINING_DEADLINE_S: int = env.training_deadline_s
ADAPTER_SLOTS: int = env.adapter_slots
ADAPTER_RANK: int = env.adapter_rank
BATCH_TOKENS: int = env.batch_tokens
PROMPT_EXPANDER: str = env.prompt_expander
STYLE_CACHE_BYTES: int = env.style_cache_mib << 20
RECEIPT_KEY: bytes = env.receipt_key.get_secret_value().encode()
AUDIT_KEY: str = env.audit_key.get_secret_value()
AUDIT_ORIGIN: str = env.audit_origin or f"{urlsplit(PUBLIC_URL).netloc}/audit"
AUDIT_FORMER_KEYS: tuple[str, ...] = tuple(filter(None, env.audit_former_keys.split(",")))
AUDIT_RECIPIENTS: tuple[str, ...] = tuple(filter(None, env.audit_recipients.split(",")))
VAULT_KEY: str = env.vault_key.get_secret_value()
MODERATION_POLICY: str | None = str(env.moderation_policy) if env.moderation_policy else None
MODERATION_OPENAI = _classifiers.get("openai-moderation", {})
MODERATION_AZURE = _classifiers.get("azure-content-safety", {})
MODERATION_HIVE = _classifiers.get("hive-visual", {})
MODERATION_TRANSFORMERS = _classifiers.get("transformers-nudity", {})
MODERATION_OPEN_CLIP = _classifiers.get("open-clip-concepts", {})
MODERATION_NUDENET = _classifiers.get("nudenet", {})
MODERATION_CLASSIFIERS = _classifiers.get("paths", {})
PROVENANCE_KEY: bytes = env.provenance_key.get_secret_value().encode()
C2PA_CHAIN_FILE: Path | None = env.c2pa_chain_file
C2PA_KEY_FILE: Path | None = env.c2pa_key_file
C2PA_TIMESTAMP_URL: str = env.c2pa_timestamp_url
VERIFY_PER_MINUTE: int = env.verify_per_minute
REPORTS_PER_HOUR: int = env.reports_per_hour
LICET_HOME: Path = env.home
# Empty: the in-tree stand-in for Stripe, labelled as such wherever it shows.
STRIPE_SECRET_KEY: str = env.stripe_secret_key.get_secret_value()
STRIPE_WEBHOOK_SECRETS: tuple[str, ...] = tuple(
    secret.strip()
    for secret in env.stripe_webhook_secrets.get_secret_value().split(",")
    if secret.strip()
)

# By these a restore sees whether a secret is the same one. Made here, so that nothing else needs to
# read them all.
SECRET_MARKS: dict[str, str] = {
    name: secret_mark(name, getattr(env, name.removeprefix("LICET_").lower()).get_secret_value())
    for name in (
        "LICET_SECRET_KEY", "LICET_API_KEY_PEPPER", "LICET_RECEIPT_KEY", "LICET_AUDIT_KEY",
        "LICET_PROVENANCE_KEY", "LICET_VAULT_KEY",
    )
}  # fmt: skip
