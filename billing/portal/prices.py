"""Prices: what tenants pay, for all to see; and the operator's price book, changed without a deployment."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_http_methods

from billing.operations.prices import (
    discard_prices,
    draft_prices,
    publish_prices,
    simulate_prices,
)
from billing.portal.access import staff_page
from billing.portal.price_form import PriceForm, form_from, form_of, next_midnight
from billing.queries.prices import (
    CHARGE_MATRIX,
    PriceBookEntry,
    price_book,
    price_version,
    prices_for_tenants,
)
from governance.kernel.errors import DomainError, NotFound
from governance.models import Organization
from governance.portal.access import actor_of_person, organization_page


@require_GET
@organization_page()
def prices_page(request: HttpRequest, _organization: Organization) -> HttpResponse:
    """The list in force, those to come, and what is charged for which outcome."""
    current, coming = prices_for_tenants(now())
    context = {"current": current, "coming": coming, "matrix": CHARGE_MATRIX}
    return render(request, "billing/prices.html", context)


@require_http_methods(["GET", "POST"])
@staff_page
def price_book_page(request: HttpRequest) -> HttpResponse:
    """Every version, and a form for the next one: it becomes a draft, which is simulated and published."""
    at = now()
    book = price_book(at)
    form: PriceForm | None
    if request.method == "POST":
        form = form_from(request.POST)
        try:
            draft = draft_prices(
                label=form.label or "Price list",
                effective_from=form.effective_from,
                body=form.body(),
                actor=actor_of_person(request),
                at=at,
            )
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            return redirect("price-version", version_id=draft.id)
    else:
        form = offered_form(book, request.GET.get("of", ""))
    return render(request, "billing/price_book.html", {"book": book, "form": form})


def offered_form(book: list[PriceBookEntry], wanted: str) -> PriceForm | None:
    """The form filled with the version that is asked for, else with the one in force."""
    chosen = next((entry for entry in book if str(entry.version.id) == wanted), None)
    current = next((entry for entry in book if entry.state == "in force"), None)
    base = chosen or current
    if base is None:
        return None
    is_draft = base.state == "draft"
    begins = base.version.effective_from if is_draft else next_midnight(now())
    label = base.version.label if is_draft else f"From {begins:%-d %B %Y}"
    return form_of(base.version.body, label=label, begins=begins)


@require_http_methods(["GET", "POST"])
@staff_page
def price_version_page(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """One version; a draft with what the last 30 days would have cost, to publish or to discard."""
    at = now()
    try:
        if request.method == "POST":
            return decided(request, version_id)
        entry = price_version(version_id, at)
    except NotFound as error:
        raise Http404(error.detail) from error
    context: dict[str, Any] = {"entry": entry}
    if entry.state == "draft":
        simulation = simulate_prices(body=entry.version.body, at=at)
        context |= {
            "simulation": simulation,
            "compared": [
                (name, was, would, would - was)
                for name, (was, would) in sorted(simulation.models.items())
            ],
            "difference": simulation.would_charge - simulation.charged,
        }
    return render(request, "billing/price_version.html", context)


def decided(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """Publish or discard a draft. Raises NotFound."""
    actor = actor_of_person(request)
    try:
        if request.POST.get("decision") == "discard":
            discard_prices(version_id=version_id, actor=actor)
            messages.success(request, "The draft is discarded.")
            return redirect("price-book")
        publish_prices(version_id=version_id, actor=actor, at=now())
        messages.success(request, "Published. Jobs accepted until then keep their quotes.")
    except NotFound:
        raise
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("price-version", version_id=version_id)
