"""The wizard: accept the terms, state the revenue, sign, keep the receipt."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.timezone import now

from governance.kernel.errors import DomainError
from governance.licensing.facts import Bracket
from governance.models import Attestation, Organization
from governance.operations import audit
from governance.operations.acceptances import accept_terms
from governance.operations.attestations import sign_attestation
from governance.portal.access import organization_page
from governance.portal.licence.files import download, stored
from governance.portal.licence.forms import BRACKETS, AcceptanceForm, RevenueForm, SignatureForm
from governance.portal.licence.people import actor_of_session, user_of
from governance.queries.acceptances import accepted_versions, is_accepted
from governance.queries.permissions import Permission
from governance.queries.standing import standing_of
from governance.queries.terms import terms_in_force
from governance.queries.terms_difference import terms_difference

STEPS = ["Terms", "Revenue", "Signature", "Receipt"]
MICRO = 1_000_000


@organization_page(Permission.SIGN)
def accept(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Step 1: what changed since the version accepted last, and the acceptance."""
    version = terms_in_force(now())
    form = AcceptanceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        accept_terms(
            organization_id=organization.id,
            user=user_of(request),
            version=version,
            authority=form.cleaned_data["authority"],
            actor=actor_of_session(request),
            at=now(),
        )
        return redirect("attestation-revenue", slug=organization.slug)
    earlier = accepted_versions(organization)
    changes = terms_difference(earlier[0], version) if earlier else []
    context = {
        "form": form,
        "version": version,
        "accepted": is_accepted(organization, version),
        "earlier": earlier[0] if earlier else None,
        "changes": [change for change in changes if change.change != "same"],
    }
    return _step(request, 1, context)


@organization_page(Permission.SIGN)
def revenue(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Step 2: the revenue question, with the affiliates explained."""
    kept = request.session.get(_key(organization), {})
    initial = {"period_end": (now() - timedelta(days=1)).date(), **kept}
    form = RevenueForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        request.session[_key(organization)] = {
            "bracket": answers["bracket"],
            "amount_usd": str(answers["amount_usd"]) if answers["amount_usd"] is not None else "",
            "affiliates": answers["affiliates"],
            "period_end": answers["period_end"].isoformat(),
        }
        return redirect("attestation-sign", slug=organization.slug)
    return _step(request, 2, {"form": form, "version": terms_in_force(now())})


@organization_page(Permission.SIGN)
def sign(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Step 3: what will be stated and what follows from it, then the signature."""
    answers = request.session.get(_key(organization))
    if answers is None:
        return redirect("attestation-revenue", slug=organization.slug)
    form = SignatureForm(
        request.POST or None, request.FILES or None, initial={"signer_name": user_of(request).name}
    )
    if request.method == "POST" and form.is_valid():
        try:
            statement = _sign(request, organization, answers, form.cleaned_data)
        except DomainError as refusal:
            messages.error(request, refusal.detail)
        else:
            del request.session[_key(organization)]
            return redirect("attestation-receipt", slug=organization.slug, id=statement.id)
    context = {
        "form": form,
        "answers": answers,
        "bracket": dict(BRACKETS)[Bracket(answers["bracket"])],
        "suspends": answers["bracket"] == Bracket.AT_OR_OVER_1M,
        "unsure": answers["bracket"] == Bracket.UNSURE,
    }
    return _step(request, 3, context)


@organization_page()
def receipt(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Step 4: the statement as it is on record, and how the organization stands now."""
    statement = Attestation.objects.filter(organization=organization, id=id).first()
    if statement is None:
        return redirect("licence", slug=organization.slug)
    context = {
        "statement": statement,
        "may_open": Permission.SIGN in request.permissions or user_of(request).is_staff,  # type: ignore[attr-defined]
        "bracket": dict(BRACKETS)[Bracket(statement.bracket)],
        "standing": standing_of(organization.id, at=now()),
    }
    return _step(request, 4, context)


@organization_page()
def evidence(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponseBase:  # noqa: A002 (the address's word)
    """The file behind a statement, for owners and the operator; that it was opened is on record."""
    granted = request.permissions  # type: ignore[attr-defined]
    statement = Attestation.objects.filter(organization=organization, id=id).first()
    if statement is None or not (Permission.SIGN in granted or user_of(request).is_staff):
        raise Http404
    answer = download(statement.evidence_path, statement.evidence_name, statement.evidence_sha256)
    audit.record(
        act="evidence.opened",
        actor=actor_of_session(request),
        organization_id=organization.id,
        subject_kind="attestation",
        subject_id=statement.id,
        facts={"sha256": statement.evidence_sha256},
    )
    return answer


def _step(request: HttpRequest, number: int, context: dict[str, Any]) -> HttpResponse:
    steps = [(n, name, n == number) for n, name in enumerate(STEPS, start=1)]
    page = f"governance/licence/attestation_{number}.html"
    return render(request, page, {"steps": steps, "step": number, **context})


def _key(organization: Organization) -> str:
    return f"attestation:{organization.id}"


def _sign(
    request: HttpRequest,
    organization: Organization,
    answers: dict[str, str],
    signature: dict[str, Any],
) -> Attestation:
    at = now()
    end = date.fromisoformat(answers["period_end"])
    return sign_attestation(
        organization_id=organization.id,
        period_start=end - timedelta(days=365),
        period_end=end,
        bracket=Bracket(answers["bracket"]),
        amount_microusd=_microusd(answers["amount_usd"]),
        affiliates=tuple(
            line.strip() for line in answers["affiliates"].splitlines() if line.strip()
        ),
        signer_name=signature["signer_name"],
        signer_title=signature["signer_title"],
        signed_by=user_of(request),
        expires_at=at + timedelta(days=30 * signature["months"]),
        evidence=stored(signature["evidence"], str(organization.id)),
        actor=actor_of_session(request),
        at=at,
    )


def _microusd(amount: str) -> int | None:
    if not amount:
        return None
    dollars, _, cents = amount.partition(".")
    return int(dollars) * MICRO + int(cents.ljust(6, "0")[:6] or 0)
