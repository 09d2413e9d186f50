"""What only the operator puts on record: contracts, breaches, groups, policies, notices."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from governance.kernel.errors import InvalidRequest
from governance.models import Breach, ControlGroup, EnterpriseContract, Organization
from governance.operations.contracts import ContractTerms, record_contract
from governance.operations.end_users import set_end_user_policy
from governance.operations.groups import join_group, leave_group
from governance.operations.termination import (
    record_breach,
    record_notice,
    record_reinstatement,
    withdraw_notice,
)
from governance.portal.access import organization_page
from governance.portal.licence.files import download, stored
from governance.portal.licence.people import actor_of_session, done_or_told, staff_page
from governance.portal.licence.record_forms import (
    BreachForm,
    ContractForm,
    GroupForm,
    NoticeForm,
    ReinstatementForm,
    midnight,
)
from governance.queries.evidence import licence_evidence
from governance.queries.permissions import Permission
from governance.queries.standing import standing_of


@staff_page
def record(request: HttpRequest, slug: str) -> HttpResponse:
    """One organization as the operator keeps it: what is on record, and the forms that add to it."""
    return _page(request, get_object_or_404(Organization, slug=slug), {})


def _page(
    request: HttpRequest, organization: Organization, more: dict[str, Any], status: int = 200
) -> HttpResponse:
    group = organization.group
    context = {
        "subject": organization,
        "standing": standing_of(organization.id, at=now()),
        "evidence": licence_evidence(organization, at=now()),
        "siblings": group.organizations.exclude(id=organization.id) if group else [],
        "contract_form": ContractForm(),
        "breach_form": BreachForm(),
        "group_form": GroupForm(initial={"group": group}),
        "reinstatement_form": ReinstatementForm(),
        **more,
    }
    return render(request, "governance/licence/record.html", context, status=status)


def _taken(
    request: HttpRequest,
    slug: str,
    name: str,
    form: forms.Form,
    act: Callable[[Organization, dict[str, Any]], object],
    done: str,
) -> HttpResponse:
    """Do ``act`` with a valid form, or show the page again with the form's errors."""
    organization = get_object_or_404(Organization, slug=slug)
    if not form.is_valid():
        return _page(request, organization, {f"{name}_form": form}, 400)
    return done_or_told(
        request, lambda: act(organization, form.cleaned_data), done=done, onward="record", slug=slug
    )


@require_POST
@staff_page
def contract(request: HttpRequest, slug: str) -> HttpResponse:
    """Put an enterprise contract on record, with its document and the document's hash."""

    def act(organization: Organization, given: dict[str, Any]) -> object:
        document = stored(given["document"], f"contracts/{organization.id}")
        assert document is not None, "the form asks for a document"
        agreed = ContractTerms(
            reference=given["reference"],
            starts_at=midnight("starts", given),
            ends_at=midnight("ends", given),
            seats=given["seats"],
            features=frozenset(given["features"]),
            document_sha256=document.sha256,
            terms=given["terms"],
            document_name=document.name,
            document_path=document.path,
        )
        return record_contract(
            organization_id=organization.id,
            agreed=agreed,
            actor=actor_of_session(request),
            at=now(),
        )

    form = ContractForm(request.POST, request.FILES)
    return _taken(request, slug, "contract", form, act, "The contract is on record.")


@require_POST
@staff_page
def breach(request: HttpRequest, slug: str) -> HttpResponse:
    """Put a breach on record: generation stops with it."""

    def act(organization: Organization, given: dict[str, Any]) -> object:
        return record_breach(
            organization_id=organization.id,
            clause=given["clause"],
            description=given["description"],
            discovered_at=now(),
            actor=actor_of_session(request),
            at=now(),
        )

    done = "The breach is on record and generation is stopped."
    return _taken(request, slug, "breach", BreachForm(request.POST), act, done)


@require_POST
@staff_page
def reinstate(request: HttpRequest, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Put the licensor's written reinstatement on record."""
    found = get_object_or_404(Breach, id=id)
    form = ReinstatementForm(request.POST)

    def act() -> None:
        if not form.is_valid():
            raise InvalidRequest("Name the licensor's letter or message.", param="reference")
        record_reinstatement(
            breach_id=id,
            reference=form.cleaned_data["reference"],
            actor=actor_of_session(request),
            at=now(),
        )

    done = "The reinstatement is on record."
    if found.organization is None:
        return done_or_told(request, act, done=done, onward="operator")
    return done_or_told(request, act, done=done, onward="record", slug=found.organization.slug)


@require_POST
@staff_page
def group(request: HttpRequest, slug: str) -> HttpResponse:
    """Put the organization into a control group, or take it out."""

    def act(organization: Organization, given: dict[str, Any]) -> object:
        actor, at = actor_of_session(request), now()
        chosen = given["group"]
        if given["name"]:
            chosen, _ = ControlGroup.objects.get_or_create(name=given["name"])
        if chosen is None or (organization.group_id and organization.group_id != chosen.id):
            leave_group(organization_id=organization.id, actor=actor, at=at)
        if chosen is None:
            return None
        return join_group(group=chosen, organization_ids=[organization.id], actor=actor, at=at)

    done = "The group is on record; seats and revenue count together in it."
    return _taken(request, slug, "group", GroupForm(request.POST), act, done)


@require_POST
@staff_page
def end_users(request: HttpRequest, slug: str) -> HttpResponse:
    """Decide whether end users whom API requests name hold seats."""
    organization = get_object_or_404(Organization, slug=slug)
    counted = request.POST.get("counted") == "yes"
    return done_or_told(
        request,
        lambda: set_end_user_policy(
            organization_id=organization.id,
            counted=counted,
            actor=actor_of_session(request),
            at=now(),
        ),
        done="End users hold seats now." if counted else "End users hold no seats any more.",
        onward="record",
        slug=slug,
    )


@require_POST
@staff_page
def notice(request: HttpRequest) -> HttpResponse:
    """Start the clock of the licensor's notice."""
    form = NoticeForm(request.POST)

    def act() -> None:
        if not form.is_valid():
            raise InvalidRequest("Give the day on which the notice came.", param="received")
        record_notice(
            received_at=midnight("received", form.cleaned_data),
            release=form.cleaned_data["release"],
            note=form.cleaned_data["note"],
            actor=actor_of_session(request),
            at=now(),
        )

    return done_or_told(
        request, act, done="The notice is on record; the clock runs.", onward="operator"
    )


@require_POST
@staff_page
def withdraw(request: HttpRequest, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """The licensor took the notice back."""
    return done_or_told(
        request,
        lambda: withdraw_notice(notice_id=id, actor=actor_of_session(request), at=now()),
        done="The notice is withdrawn.",
        onward="operator",
    )


@organization_page()
def contract_document(
    request: HttpRequest,
    organization: Organization,
    id: UUID,  # noqa: A002 (the address's word)
) -> HttpResponseBase:
    """The signed document, for owners and the operator."""
    granted = request.permissions  # type: ignore[attr-defined]
    found = EnterpriseContract.objects.filter(organization=organization, id=id).first()
    if found is None or not (Permission.SIGN in granted or request.user.is_staff):
        raise Http404
    return download(found.document_path, found.document_name, found.document_sha256)
