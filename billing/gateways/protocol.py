"""What billing asks of a payment provider. Amounts in µUSD; cents exist behind this line only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

PaymentState = Literal["open", "succeeded", "failed", "cancelled"]
RefundStatus = Literal["pending", "succeeded", "failed"]


class GatewayUnavailable(Exception):
    """No answer, or one that says nothing: what was asked may or may not have happened."""


class GatewayRefused(Exception):
    """A definite no: nothing happened, and asking again changes nothing."""


class CardDeclined(GatewayRefused):
    """The bank said no; ``code`` is its reason in Stripe's words."""

    def __init__(self, code: str, payment: str | None) -> None:
        super().__init__(code)
        self.code = code
        self.payment = payment


@dataclass(frozen=True)
class Card:
    """A saved card, as people know it: ``visa ending in 4242``."""

    payment_method: str
    label: str


@dataclass(frozen=True)
class Payment:
    """A payment as the provider has it now; the metadata names our top-up and organization."""

    id: str
    state: PaymentState
    received: int
    currency: str
    top_up_id: UUID | None
    organization_id: UUID | None
    card: Card | None
    failure: str
    created_at: datetime


@dataclass(frozen=True)
class Checkout:
    """A page where a person pays; ``payment`` is None until they have tried."""

    id: str
    url: str
    state: Literal["open", "complete", "expired"]
    payment: str | None


@dataclass(frozen=True)
class RefundOutcome:
    """A refund as the provider has it now; ``refund_id`` is ours, None if made in its dashboard."""

    id: str
    payment: str
    amount: int
    status: RefundStatus
    refund_id: UUID | None
    created_at: datetime


@dataclass(frozen=True)
class DisputeOutcome:
    """A dispute as the provider has it now."""

    id: str
    payment: str
    amount: int
    status: str
    withdrawn: bool
    reinstated: bool
    created_at: datetime


@dataclass(frozen=True)
class Settlement:
    """One line of the provider's own ledger; amount and fee in µUSD, signed as they have it."""

    id: str
    kind: str
    source: str
    amount: int
    fee: int
    created_at: datetime


class Gateway(Protocol):
    """A payment provider. Every write carries an idempotency key; nothing here runs in a transaction.

    All methods raise GatewayUnavailable when the outcome is unknown, GatewayRefused when it is a no.
    """

    @property
    def is_stand_in(self) -> bool:
        """Whether no real money moves; the portal then says so."""
        ...

    def create_customer(self, *, organization_id: UUID, name: str) -> str:
        """The customer of an organization; the same one when asked again within a day."""
        ...

    def open_checkout(
        self,
        *,
        top_up_id: UUID,
        organization_id: UUID,
        customer: str,
        amount: int,
        save_card: bool,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        """A page to pay ``amount`` µUSD on."""
        ...

    def charge_saved_card(
        self,
        *,
        top_up_id: UUID,
        organization_id: UUID,
        customer: str,
        payment_method: str,
        amount: int,
    ) -> Payment:
        """Charge a card without its owner present. Raises CardDeclined."""
        ...

    def payment(self, payment: str) -> Payment:
        """The payment now."""
        ...

    def checkout(self, session: str) -> Checkout:
        """The page now."""
        ...

    def find_payment(self, top_up_id: UUID) -> Payment | None:
        """The payment that carries our top-up's id, if the provider knows one."""
        ...

    def refund(self, *, refund_id: UUID, payment: str, amount: int) -> RefundOutcome:
        """Send ``amount`` µUSD of a payment back."""
        ...

    def find_refund(self, *, refund_id: UUID, payment: str) -> RefundOutcome | None:
        """The refund that carries our refund's id, if the provider knows one."""
        ...

    def refund_now(self, refund: str) -> RefundOutcome:
        """The refund now."""
        ...

    def dispute(self, dispute: str) -> DisputeOutcome:
        """The dispute now."""
        ...

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[Settlement]:
        """The provider's ledger, oldest last."""
        ...
