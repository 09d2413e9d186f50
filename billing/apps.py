"""The billing app."""

from datetime import datetime
from uuid import UUID

from django.apps import AppConfig

from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.kernel.registry import NavigationItem, demo_seeders, navigation

DEMO_DOLLARS = 25


class BillingConfig(AppConfig):
    """Registers what billing contributes to the house."""

    name = "billing"

    def ready(self) -> None:
        """Called once per process by Django."""
        demo_seeders.register("billing", seed_demo_credit)
        seen_by = frozenset({"view_billing"})
        for name, label, icon, order in (
            ("billing", "Billing", "wallet", 60),
            ("budgets", "Budgets", "lock", 61),
            ("usage", "Usage", "chart", 62),
        ):
            navigation.register(name, NavigationItem(label, name, icon, order, seen_by))


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
