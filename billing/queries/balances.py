"""Balances: one row, whatever the journal's length."""

from dataclasses import dataclass
from uuid import UUID

from billing.models import Wallet


@dataclass(frozen=True)
class Balance:
    """µUSD of an organization: posted by the journal, held by open generations."""

    posted: int
    held: int

    @property
    def available(self) -> int:
        """What a new hold may take."""
        return self.posted - self.held


def balance_of(organization_id: UUID) -> Balance:
    """The balance now; an organization without a wallet has zero."""
    row = (
        Wallet.objects.filter(organization_id=organization_id).values_list("posted", "held").first()
    )
    return Balance(*row) if row else Balance(0, 0)
