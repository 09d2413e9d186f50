"""Wallets, holds, budgets, the journal and the price book."""

from billing.models.budgets import Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetWindow
from billing.models.fake_stripe import FakeStripeObject, FakeStripeReply
from billing.models.holds import Hold, HoldState
from billing.models.journal import LedgerEntry, LedgerTransaction
from billing.models.lots import CreditLot, LotMovement, LotSource
from billing.models.payments import (
    MICROUSD_PER_CENT,
    OPEN_TOP_UPS,
    Dispute,
    PaymentProfile,
    Refund,
    RefundState,
    StripeEvent,
    TopUp,
    TopUpState,
    TopUpTrigger,
)
from billing.models.prices import PriceVersion
from billing.models.reconciliation import (
    Adjustment,
    AdjustmentState,
    Difference,
    ProviderLine,
    ReconciliationRun,
)
from billing.models.spend_alerts import SpendAlert
from billing.models.statements import Statement
from billing.models.usage import RollupDay, UsageRollup
from billing.models.wallets import Wallet

__all__ = [
    "MICROUSD_PER_CENT",
    "OPEN_TOP_UPS",
    "Adjustment",
    "AdjustmentState",
    "Budget",
    "BudgetAction",
    "BudgetPeriod",
    "BudgetScope",
    "BudgetWindow",
    "CreditLot",
    "Difference",
    "Dispute",
    "FakeStripeObject",
    "FakeStripeReply",
    "Hold",
    "HoldState",
    "LedgerEntry",
    "LedgerTransaction",
    "LotMovement",
    "LotSource",
    "PaymentProfile",
    "PriceVersion",
    "ProviderLine",
    "ReconciliationRun",
    "Refund",
    "RefundState",
    "RollupDay",
    "SpendAlert",
    "Statement",
    "StripeEvent",
    "TopUp",
    "TopUpState",
    "TopUpTrigger",
    "UsageRollup",
    "Wallet",
]
