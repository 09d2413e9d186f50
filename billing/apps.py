"""The billing app."""

from datetime import datetime
from uuid import UUID

from django.apps import AppConfig

from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.kernel.registry import demo_seeders

DEMO_DOLLARS = 25


class BillingConfig(AppConfig):
    """Registers what billing contributes to the house."""

    name = "billing"

    def ready(self) -> None:
        """Called once per process by Django."""
        demo_seeders.register("billing", seed_demo_credit)


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
