"""Wallets, holds, budgets, the journal and the price book."""

from billing.models.budgets import Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetWindow
from billing.models.holds import Hold, HoldState
from billing.models.journal import LedgerEntry, LedgerTransaction
from billing.models.prices import PriceVersion
from billing.models.wallets import Wallet

__all__ = [
    "Budget",
    "BudgetAction",
    "BudgetPeriod",
    "BudgetScope",
    "BudgetWindow",
    "Hold",
    "HoldState",
    "LedgerEntry",
    "LedgerTransaction",
    "PriceVersion",
    "Wallet",
]
