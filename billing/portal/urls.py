"""Addresses of an organization's money."""

from django.urls import path

from billing.portal import budgets, downloads, money, prices, reconciliation, stand_in, usage

urlpatterns = [
    path("o/<slug:slug>/billing/", money.billing_page, name="billing"),
    path("o/<slug:slug>/billing/top-up", money.top_up, name="billing-top-up"),
    path("o/<slug:slug>/billing/automatic", money.automatic, name="billing-automatic"),
    path("o/<slug:slug>/billing/refund", money.refund, name="billing-refund"),
    path("o/<slug:slug>/billing/ledger.csv", downloads.ledger_csv, name="ledger-csv"),
    path(
        "o/<slug:slug>/billing/statements/<int:number>.<str:form>",
        downloads.statement,
        name="statement",
    ),
    path("o/<slug:slug>/budgets/", budgets.budgets_page, name="budgets"),
    path("o/<slug:slug>/budgets/<int:budget_id>/end", budgets.end_budget, name="budget-end"),
    path("o/<slug:slug>/usage/", usage.usage_page, name="usage"),
    path("o/<slug:slug>/usage.csv", usage.usage_csv, name="usage-csv"),
    path("o/<slug:slug>/prices/", prices.prices_page, name="prices"),
    path("operator/prices/", prices.price_book_page, name="price-book"),
    path("operator/prices/<uuid:version_id>/", prices.price_version_page, name="price-version"),
    path("operator/reconciliation/", reconciliation.reconciliation_page, name="reconciliation"),
    path("operator/reconciliation/now", reconciliation.compare_now, name="reconciliation-now"),
    path("operator/adjustments/", reconciliation.ask_adjustment, name="adjustment-ask"),
    path(
        "operator/adjustments/<uuid:adjustment_id>",
        reconciliation.decide_adjustment,
        name="adjustment-decide",
    ),
    path("billing/stand-in/checkout/<str:session_id>", stand_in.page, name="stand-in-checkout"),
]
