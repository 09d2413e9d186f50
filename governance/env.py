"""The only reader of environment variables: typed, frozen, listed by ``manage.py settings``."""

import json
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DEFAULT_HOME = BASE_DIR / ".licet"


class GeneratedSecrets(PydanticBaseSettingsSource):
    """The secrets that ``manage.py up`` made for this LICET_HOME; what the operator gives wins."""

    def __call__(self) -> dict[str, Any]:
        """Called after the environment and .env were read, which may name the home."""
        home = Path(self.current_state.get("LICET_HOME") or DEFAULT_HOME)
        try:
            return dict(json.loads((home / "secrets.json").read_text()))
        except FileNotFoundError:
            return {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Required by pydantic-settings; this source answers for all fields at once."""
        return None, field_name, False


class Env(BaseSettings):
    """Every setting that an operator may give, with its unit in its name or description."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file=".env", env_ignore_empty=True
    )

    environment: Literal["development", "production"] = Field(
        "development",
        validation_alias="LICET_ENVIRONMENT",
        description="production refuses insecure defaults",
    )
    home: Path = Field(
        DEFAULT_HOME,
        validation_alias="LICET_HOME",
        description="folder of the embedded servers' data, images and generated secrets",
    )
    port: int = Field(8000, validation_alias="LICET_PORT", description="port of the web server")
    public_url: str = Field(
        "",
        validation_alias="LICET_PUBLIC_URL",
        description="address that users see; empty: http://127.0.0.1:LICET_PORT",
    )
    secret_key: SecretStr = Field(
        SecretStr("development-only"),
        validation_alias="LICET_SECRET_KEY",
        description="signs sessions, image addresses and receipts",
    )
    allowed_hosts: str = Field(
        "127.0.0.1,localhost,[::1]",
        validation_alias="LICET_ALLOWED_HOSTS",
        description="host names the web server answers to, by comma",
    )
    database_url: str = Field(
        "",
        validation_alias="DATABASE_URL",
        description="PostgreSQL address; empty: the embedded server of `make up`",
    )
    redis_url: str = Field(
        "",
        validation_alias="REDIS_URL",
        description="Redis or Valkey address; empty: the embedded server",
    )
    broker_url: str = Field(
        "",
        validation_alias="BROKER_URL",
        description="Celery broker (redis or amqp); empty: REDIS_URL",
    )
    blob_root: Path | None = Field(
        None,
        validation_alias="LICET_BLOB_ROOT",
        description="folder of released images; empty: LICET_HOME/blobs",
    )
    storage: str = Field(
        "",
        validation_alias="LICET_STORAGE",
        description="where blobs are kept: a folder or s3://bucket/prefix; empty: LICET_BLOB_ROOT",
    )
    s3_endpoint: str = Field(
        "",
        validation_alias="LICET_S3_ENDPOINT",
        description="address of the S3 service behind LICET_STORAGE; empty: Amazon's",
    )
    s3_region: str = Field(
        "",
        validation_alias="LICET_S3_REGION",
        description="region of the bucket; empty: as AWS clients find it",
    )
    model_folder: str = Field(
        str(BASE_DIR / "inference" / "weights" / "krea-2-tiny-turbo"),
        validation_alias="LICET_MODEL",
        description="what the engines load: a folder in diffusers' layout, a repository id or a "
        ".safetensors file with the transformer; several by comma start an engine each",
    )
    model_revision: str = Field(
        "",
        validation_alias="LICET_MODEL_REVISION",
        description="full commit of the model's repository; needed for a repository id",
    )
    model_components: str = Field(
        "",
        validation_alias="LICET_MODEL_COMPONENTS",
        description="folder or repository with the rest, where LICET_MODEL is a single file",
    )
    gpus: str = Field(
        "",
        validation_alias="LICET_GPUS",
        description="numbers of the GPUs that this host's engines use, by comma; empty: all",
    )
    engine_threads: int = Field(
        2,
        validation_alias="LICET_ENGINE_THREADS",
        description="CPU threads of the engine when it runs without a GPU",
    )
    engine_lanes: int = Field(
        3,
        ge=1,
        le=16,
        validation_alias="LICET_ENGINE_LANES",
        description="jobs under way in one engine: one drawn, one prepared, one judged",
    )
    job_deadline_s: int = Field(
        3600,
        ge=10,
        validation_alias="LICET_JOB_DEADLINE_S",
        description="seconds after which a job that is not delivered ends free of charge",
    )
    drain_s: int = Field(
        90,
        ge=0,
        validation_alias="LICET_DRAIN_S",
        description="seconds in which a worker that is told to go (TERM) finishes what it draws; then "
        "it hands its jobs back",
    )
    training_model: str = Field(
        str(BASE_DIR / "inference" / "weights" / "krea-2-tiny-raw"),
        validation_alias="LICET_TRAINING_MODEL",
        description="folder of the Raw model that adapters (LoRA) are trained on",
    )
    training_gpu: str = Field(
        "",
        validation_alias="LICET_TRAINING_GPU",
        description="number of the GPU that trains; empty: the worker's first, shared with its engines",
    )
    training_deadline_s: int = Field(
        86_400,
        ge=60,
        validation_alias="LICET_TRAINING_DEADLINE_S",
        description="seconds after which a training that is not done ends free of charge",
    )
    adapter_slots: int = Field(
        8,
        ge=0,
        le=256,
        validation_alias="LICET_ADAPTER_SLOTS",
        description="combinations of adapters (LoRA) an engine holds at once; 0: none are served",
    )
    adapter_rank: int = Field(
        64,
        ge=1,
        le=1024,
        validation_alias="LICET_ADAPTER_RANK",
        description="rank of a slot; the adapters of one image share it",
    )
    batch_tokens: int = Field(
        8192,
        ge=256,
        validation_alias="LICET_BATCH_TOKENS",
        description="image and text tokens drawn in one batch (a 1024 x 1024 image has 4,096)",
    )
    style_cache_mib: int = Field(
        1024,
        ge=0,
        validation_alias="LICET_STYLE_CACHE_MIB",
        description="host memory of an engine for kept style references (4,300 each at 1024 x 1024)",
    )
    prompt_expander: str = Field(
        "",
        validation_alias="LICET_PROMPT_EXPANDER",
        description="folder of a transformers causal model that expands prompts; empty: the small one",
    )
    api_key_pepper: SecretStr = Field(
        SecretStr("development-only"),
        validation_alias="LICET_API_KEY_PEPPER",
        description="keyed digest of API keys; losing it invalidates every key",
    )
    older_api_key_peppers: SecretStr = Field(
        SecretStr(""),
        validation_alias="LICET_OLDER_API_KEY_PEPPERS",
        description="peppers used before, by comma; keys move to the present one as they are used",
    )
    rate_limit_key: int = Field(
        6000,
        ge=0,
        validation_alias="LICET_RATE_LIMIT_KEY",
        description="units a minute of one API key: 1 a call, 10 an image and megapixel; 0: no limit",
    )
    rate_limit_organization: int = Field(
        30000,
        ge=0,
        validation_alias="LICET_RATE_LIMIT_ORGANIZATION",
        description="units a minute of all keys of an organization together; 0: no limit",
    )
    cors_origins: str = Field(
        "",
        validation_alias="LICET_CORS_ORIGINS",
        description="origins, by comma, whose pages may call the API in a browser; empty: none",
    )
    webhook_private_networks: str = Field(
        "",
        validation_alias="LICET_WEBHOOK_PRIVATE_NETWORKS",
        description="networks (CIDR, by comma) inside yours that webhooks may reach, also by http",
    )
    leak_scanner_keys: Path | None = Field(
        None,
        validation_alias="LICET_LEAK_SCANNER_KEYS",
        description="JSON file of public keys that may report leaked keys, in GitHub's format",
    )
    receipt_key: SecretStr = Field(
        SecretStr("development-only"),
        validation_alias="LICET_RECEIPT_KEY",
        description="signs the gate's release receipts; web and workers share it",
    )
    audit_key: SecretStr = Field(
        SecretStr("development-only"),
        validation_alias="LICET_AUDIT_KEY",
        description="signs the audit log's checkpoints; keep it where the database cannot be written from",
    )
    audit_origin: str = Field(
        "",
        validation_alias="LICET_AUDIT_ORIGIN",
        description="name of the audit log in its checkpoints, never to change; empty: public host/audit",
    )
    audit_former_keys: str = Field(
        "",
        validation_alias="LICET_AUDIT_FORMER_KEYS",
        description="verifier keys that signed checkpoints before LICET_AUDIT_KEY, by comma",
    )
    audit_recipients: str = Field(
        "",
        validation_alias="LICET_AUDIT_RECIPIENTS",
        description="e-mail addresses, by comma, that get each hour's checkpoint of the audit log",
    )
    vault_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="LICET_VAULT_KEY",
        description="wraps the keys of sealed evidence; empty: LICET_SECRET_KEY; never change it",
    )
    moderation_policy: Path | None = Field(
        None,
        validation_alias="LICET_MODERATION_POLICY",
        description="policy file that goes before the one in the database; empty: none",
    )
    classifiers_file: Path | None = Field(
        None,
        validation_alias="LICET_CLASSIFIERS",
        description="JSON file that sets up further classifiers by name (docs/moderation.md)",
    )
    provenance_key: SecretStr = Field(
        SecretStr("development-only"),
        validation_alias="LICET_PROVENANCE_KEY",
        description="makes the self-made certificates that sign content credentials (C2PA)",
    )
    c2pa_chain_file: Path | None = Field(
        None,
        validation_alias="LICET_C2PA_CHAIN",
        description="PEM file of a trusted C2PA certificate chain, leaf first; empty: self-made",
    )
    c2pa_key_file: Path | None = Field(
        None,
        validation_alias="LICET_C2PA_KEY",
        description="PEM file of the private key of LICET_C2PA_CHAIN",
    )
    c2pa_timestamp_url: str = Field(
        "",
        validation_alias="LICET_C2PA_TIMESTAMP_URL",
        description="RFC 3161 service asked to time-stamp each image's credentials; empty: none",
    )
    verify_per_minute: int = Field(
        20,
        validation_alias="LICET_VERIFY_PER_MINUTE",
        description="pictures a minute that one address may have verified without a key",
    )
    reports_per_hour: int = Field(
        10,
        validation_alias="LICET_REPORTS_PER_HOUR",
        description="reports of images an hour that one address may send without an account",
    )
    log_level: str = Field(
        "INFO", validation_alias="LICET_LOG_LEVEL", description="DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        validation_alias="LICET_LOG_FORMAT",
        description="text for people, json for one object a line (docs/observability.md)",
    )
    otlp_endpoint: str = Field(
        "",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="collector that gets traces by OTLP over HTTP; needs the extra telemetry; empty: none",
    )
    smtp_host: str = Field(
        "",
        validation_alias="LICET_SMTP_HOST",
        description="mail server; empty: letters are kept in LICET_HOME/mail and the inbox page",
    )
    smtp_port: int = Field(
        587, validation_alias="LICET_SMTP_PORT", description="port of the mail server"
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        validation_alias="LICET_SMTP_SECURITY",
        description="starttls, tls or none, to the mail server",
    )
    smtp_user: str = Field(
        "", validation_alias="LICET_SMTP_USER", description="name at the mail server"
    )
    smtp_password: SecretStr = Field(
        SecretStr(""),
        validation_alias="LICET_SMTP_PASSWORD",
        description="password at the mail server",
    )
    mail_from: str = Field(
        "licet@localhost", validation_alias="LICET_MAIL_FROM", description="sender of all e-mail"
    )
    mail_kept_days: int = Field(
        30,
        validation_alias="LICET_MAIL_KEPT_DAYS",
        description="days until delivered letters are deleted",
    )
    stripe_secret_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="STRIPE_SECRET_KEY",
        description="empty: the labelled in-tree fake gateway",
    )
    stripe_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        validation_alias="STRIPE_WEBHOOK_SECRETS",
        description="webhook signing secrets, by comma (several during rotation)",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then .env, then what was generated."""
        return (init_settings, env_settings, dotenv_settings, GeneratedSecrets(settings_cls))

    @model_validator(mode="after")
    def production_has_secrets(self) -> "Env":
        """Refuse to start in production with a default secret."""
        if self.environment == "production":
            defaults = [
                alias
                for alias, secret in (
                    ("LICET_SECRET_KEY", self.secret_key),
                    ("LICET_API_KEY_PEPPER", self.api_key_pepper),
                    ("LICET_RECEIPT_KEY", self.receipt_key),
                    ("LICET_AUDIT_KEY", self.audit_key),
                    ("LICET_PROVENANCE_KEY", self.provenance_key),
                )
                if secret.get_secret_value() == "development-only"
            ]
            if defaults:
                raise ValueError(f"set {', '.join(defaults)} before running in production")
        return self

    @property
    def secret_values(self) -> tuple[str, ...]:
        """What no log may show: every secret, and the passwords in the servers' addresses."""
        given = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        addresses = (self.database_url, self.redis_url, self.broker_url)
        return (
            *(part.strip() for secret in given for part in secret.split(",")),
            *(unquote(urlsplit(address).password or "") for address in addresses),
        )

    @property
    def base_url(self) -> str:
        """The address that users see, without a trailing slash."""
        return (self.public_url or f"http://127.0.0.1:{self.port}").rstrip("/")


env = Env()
