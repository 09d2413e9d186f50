"""The governance app: the floor of the house."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models.signals import post_migrate

from governance.kernel.registry import (
    HealthCheck,
    NavigationItem,
    examinations,
    gauges,
    health_checks,
    navigation,
    outbox_bells,
    report_sections,
    webhook_event_types,
)
from governance.kernel.tracing import collect_with
from governance.operations.probes import probe_database, probe_redis

EVENTS = {
    "webhook.test": "Sent by hand to see whether an endpoint listens.",
    "api_key.rotated": "An API key got a new secret.",
    "api_key.revoked": "An API key was revoked.",
    "api_key.leaked": "An API key was found in public; it is revoked.",
}


class GovernanceConfig(AppConfig):
    """Registers the checks of the parts that every process needs."""

    name = "governance"
    verbose_name = "Governance"

    def ready(self) -> None:
        """Called once per process by Django."""
        collect_traces()
        # Tasks that are sent from any process belong to this application and its broker.
        import_module("governance.celery")
        # drf-spectacular learns here how keys are sent.
        import_module("governance.api.schema")
        navigation.register(
            "operator",
            NavigationItem("Home", "operator", "home", 0, per_organization=False),
        )
        navigation.register(
            "releases",
            NavigationItem("Releases", "releases", "box", 1, per_organization=False),
        )
        navigation.register("licence", NavigationItem("Licence", "licence", "shield", 40))
        navigation.register("seats", NavigationItem("Seats", "seats", "people", 50))
        navigation.register(
            "identity",
            NavigationItem("Identity", "identity", "lock", 55, frozenset({"manage_identity"})),
        )
        navigation.register("keys", NavigationItem("API keys", "keys", "key", 25))
        navigation.register(
            "webhooks",
            NavigationItem("Webhooks", "webhooks", "bell", 27, frozenset({"manage_members"})),
        )
        navigation.register(
            "audit", NavigationItem("Audit log", "audit", "list", 90, frozenset({"view_audit"}))
        )
        navigation.register(
            "operator-audit",
            NavigationItem("Audit log", "operator-audit", "list", 90, per_organization=False),
        )
        if settings.DEVELOPMENT_INBOX:
            navigation.register(
                "inbox", NavigationItem("Inbox", "inbox", "mail", 95, per_organization=False)
            )
        navigation.register(
            "reports",
            NavigationItem("Reports", "reports", "document", 85, frozenset({"view_audit"})),
        )
        navigation.register(
            "operator-reports",
            NavigationItem("Reports", "operator-reports", "document", 85, per_organization=False),
        )
        for event, meaning in EVENTS.items():
            webhook_event_types.register(event, meaning)
        outbox_bells.register("governance", ring_webhooks)
        health_checks.register("database", HealthCheck("database", probe_database))
        health_checks.register("redis", HealthCheck("redis", probe_redis))
        examinations.register("servers", "governance.operations.examining_servers")
        examinations.register("work", "governance.operations.examining_work")
        from governance.queries.gauges import work_metrics
        from governance.queries.request_counts import request_metrics
        from governance.reports import sections

        gauges.register("requests", request_metrics)
        gauges.register("work", work_metrics)
        for name in ("eligibility", "releases", "access", "law"):
            report_sections.register(name, getattr(sections, name))
        post_migrate.connect(keep_first_terms, sender=self)
        post_migrate.connect(keep_tenant_role, sender=self)


def collect_traces() -> None:
    """Begin to send spans, where a collector is named. Raises ImproperlyConfigured without the extra."""
    if not settings.OTLP_ENDPOINT:
        return
    try:
        from governance.kernel.otel import exporting
    except ModuleNotFoundError as missing:
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set but OpenTelemetry is not installed. Install the extra "
            "`telemetry` (pip install 'licet[telemetry]') or unset the variable."
        ) from missing
    collect_with(exporting(settings.OTLP_ENDPOINT))


def ring_webhooks() -> None:
    """Imported late: tasks import models."""
    from governance.tasks import ring_webhooks as ring

    ring()


def keep_tenant_role(**_: object) -> None:
    """What tenants' requests may read is what the policies of every migration cover."""
    from governance.operations.tenant_role import grant_tenant_role

    grant_tenant_role()


def keep_first_terms(**_: object) -> None:
    """Terms and the kill switch's row exist after every migration and every flush."""
    # Imported late: models are not loaded when this module is.
    from governance.operations.first_terms import write_first_terms

    if "governance_terms_version" in connection.introspection.table_names():
        write_first_terms()
