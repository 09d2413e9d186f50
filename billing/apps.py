"""The billing app."""

from datetime import datetime
from uuid import UUID

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from governance.kernel.actors import SYSTEM
from governance.kernel.canonical import fingerprint
from governance.kernel.money import usd
from governance.kernel.registry import (
    NavigationItem,
    demo_seeders,
    examinations,
    gauges,
    key_budgets,
    navigation,
    report_sections,
)

DEMO_DOLLARS = 25


class BillingConfig(AppConfig):
    """Registers what billing contributes to the house."""

    name = "billing"

    def ready(self) -> None:
        """Called once per process by Django."""
        post_migrate.connect(keep_first_prices, sender=self)
        demo_seeders.register("billing", seed_demo_credit)
        from billing.reports import ledger

        report_sections.register("billing", ledger)
        examinations.register("billing", "billing.operations.examining")
        from billing.queries.gauges import money_metrics

        gauges.register("money", money_metrics)
        from billing.operations.key_budgets import MonthlyKeyBudgets

        key_budgets.register("billing", MonthlyKeyBudgets())
        seen_by = frozenset({"view_billing"})
        for name, label, icon, order in (
            ("billing", "Billing", "wallet", 60),
            ("budgets", "Budgets", "lock", 61),
            ("usage", "Usage", "chart", 62),
        ):
            navigation.register(name, NavigationItem(label, name, icon, order, seen_by))
        navigation.register("prices", NavigationItem("Prices", "prices", "list", 63))
        for name, label, icon, order in (
            ("price-book", "Price book", "wallet", 70),
            ("reconciliation", "Reconciliation", "scale", 71),
        ):
            item = NavigationItem(label, name, icon, order, per_organization=False)
            navigation.register(name, item)


def keep_first_prices(**_: object) -> None:
    """Publish the example prices where there is no list at all: after migrate, or after a flush."""
    from billing.kernel.example_prices import FIRST_LIST, FROM
    from billing.models import PriceVersion

    if not PriceVersion.objects.exists():
        PriceVersion.objects.create(
            label="Example prices",
            effective_from=FROM,
            published_at=FROM,
            body=FIRST_LIST,
            sha256=fingerprint(FIRST_LIST),
        )


def seed_demo_credit(organization_id: UUID, at: datetime) -> None:
    """The demo organization's first top-up; safe to repeat."""
    from billing.operations.credits import grant_credit

    grant_credit(
        organization_id=organization_id,
        amount=usd(DEMO_DOLLARS),
        kind="paid",
        external_reference=f"demo:{organization_id}",
        actor=SYSTEM,
        at=at,
    )
