"""Compliance reports for people: ask, wait, download, have them made each month; links for auditors."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from governance.api.authentication import client_ip
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.models import ComplianceReport, Organization, ReportSchedule, ReportState
from governance.operations.auditor_links import (
    AuditorLinkEnded,
    auditor,
    create_auditor_link,
    links_of,
    open_auditor_link,
    revoke_auditor_link,
)
from governance.operations.compliance_reports import note_download, request_report, set_schedule
from governance.operations.erasure import erase_person
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.portal.audit import chain_mark
from governance.portal.licence.people import done_or_told, staff_page
from governance.queries.audit import AuditFilter, audit_page
from governance.queries.permissions import Permission
from governance.reports.making import bundle_name
from governance.reports.period import period_of
from governance.tasks import make_report

SHOWN = 24
MONTHS = 12
OPEN = (ReportState.QUEUED, ReportState.RUNNING)


class LinkForm(forms.Form):
    """For whom, and for how long."""

    label = forms.CharField(
        label="For whom",
        max_length=100,
        widget=forms.TextInput(attrs={"class": "input", "placeholder": "Audit firm, reference"}),
    )
    days = forms.IntegerField(
        label="Days",
        min_value=1,
        max_value=90,
        initial=14,
        widget=forms.NumberInput(attrs={"class": "input"}),
    )


class ErasureForm(forms.Form):
    """Whom, typed twice, and why."""

    email = forms.EmailField(label="Address", widget=forms.EmailInput(attrs={"class": "input"}))
    again = forms.EmailField(
        label="The address again", widget=forms.EmailInput(attrs={"class": "input"})
    )
    reason = forms.CharField(
        label="Reason", max_length=300, widget=forms.TextInput(attrs={"class": "input"})
    )


@organization_page(Permission.VIEW_AUDIT)
def reports(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The reports of one organization."""
    granted = permissions_on(request)
    context = {
        **page_of(organization),
        "may_export": Permission.EXPORT in granted,
        "may_invite": Permission.MANAGE_MEMBERS in granted,
        "links": links_of(organization.id, at=now()),
        "link_form": LinkForm(),
        "made_link": request.session.pop("auditor_link", ""),
    }
    return render(request, "governance/reports.html", context)


@staff_page
def everywhere(request: HttpRequest) -> HttpResponse:
    """The reports of the whole deployment, for the operator's people."""
    context = {**page_of(None), "may_export": True, "erasure_form": ErasureForm()}
    return render(request, "governance/reports.html", context)


def page_of(organization: Organization | None) -> dict[str, Any]:
    """What both pages show."""
    rows = ComplianceReport.objects.filter(organization=organization).order_by("-requested_at")
    return {
        "rows": list(rows[:SHOWN]),
        "periods": periods(now()),
        "scheduled": ReportSchedule.objects.filter(organization=organization).exists(),
        "mark": chain_mark(),
        "addresses": addresses(organization),
    }


def addresses(organization: Organization | None) -> dict[str, str]:
    """Where the page's forms go: below the organization, or below the operator."""
    names = ("reports", "report-request", "report-schedule")
    if organization is None:
        return {name.replace("-", "_"): reverse(f"operator-{name}") for name in names}
    return {name.replace("-", "_"): reverse(name, args=[organization.slug]) for name in names}


def periods(at: datetime) -> list[tuple[str, str]]:
    """The running month, the eleven before it, and the years and quarters that they touch."""
    first = at.replace(day=1)
    months: list[str] = []
    for _ in range(MONTHS):
        months.append(f"{first:%Y-%m}")
        first = (first - timedelta(days=1)).replace(day=1)
    quarters = dict.fromkeys(f"{label[:4]}-Q{(int(label[5:]) + 2) // 3}" for label in months)
    years = dict.fromkeys(label[:4] for label in months)
    return [
        (label, f"{label}{'' if period_of(label, at=at).closed else ', still running'}")
        for label in [*months, *quarters, *years]
    ]


@require_POST
@organization_page(Permission.EXPORT)
def ask(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Ask for one organization's report."""
    return asked(request, organization)


@require_POST
@staff_page
def ask_everywhere(request: HttpRequest) -> HttpResponse:
    """Ask for the whole deployment's report."""
    return asked(request, None)


def asked(request: HttpRequest, organization: Organization | None) -> HttpResponse:
    """Queue it; a worker begins at once."""
    onward = redirect(addresses(organization)["reports"])
    try:
        period_of(request.POST.get("period", ""), at=now())
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return onward
    with transaction.atomic():
        report = request_report(
            organization_id=organization.id if organization else None,
            period=request.POST["period"],
            actor=actor_of_person(request),
            at=now(),
        )
        report_id = str(report.id)
        transaction.on_commit(lambda: make_report.delay(report_id), robust=True)
    return onward


@require_POST
@organization_page(Permission.EXPORT)
def schedule(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Each closed month's report is made by itself, or no longer."""
    return scheduled(request, organization)


@require_POST
@staff_page
def schedule_everywhere(request: HttpRequest) -> HttpResponse:
    """The same for the whole deployment."""
    return scheduled(request, None)


def scheduled(request: HttpRequest, organization: Organization | None) -> HttpResponse:
    """Switch the schedule."""
    monthly = set_schedule(
        organization_id=organization.id if organization else None,
        monthly=request.POST.get("monthly") == "on",
        actor=actor_of_person(request),
        at=now(),
    )
    said = "Each closed month's report is made by itself." if monthly else "The schedule has ended."
    messages.success(request, said)
    return redirect(addresses(organization)["reports"])


@require_GET
@never_cache
@organization_page(Permission.VIEW_AUDIT)
def progress(request: HttpRequest, organization: Organization, report_id: UUID) -> HttpResponse:
    """One row of the list, asked for again while the report is made."""
    row = report_or_404(organization, report_id)
    may_export = Permission.EXPORT in permissions_on(request)
    return render(request, "governance/_report_row.html", {"row": row, "may_export": may_export})


@require_GET
@never_cache
@staff_page
def progress_everywhere(request: HttpRequest, report_id: UUID) -> HttpResponse:
    """The same for the whole deployment."""
    row = report_or_404(None, report_id)
    return render(request, "governance/_report_row.html", {"row": row, "may_export": True})


@require_GET
@organization_page(Permission.EXPORT)
def download(request: HttpRequest, organization: Organization, report_id: UUID) -> FileResponse:
    """The bundle of one organization."""
    return bundle(report_or_404(organization, report_id), actor_of_person(request))


@require_GET
@staff_page
def download_everywhere(request: HttpRequest, report_id: UUID) -> FileResponse:
    """The bundle of the whole deployment."""
    return bundle(report_or_404(None, report_id), actor_of_person(request))


def report_or_404(organization: Organization | None, report_id: UUID) -> ComplianceReport:
    """A report of exactly this organization."""
    row = ComplianceReport.objects.filter(id=report_id, organization=organization).first()
    if row is None:
        raise Http404
    return row


def bundle(row: ComplianceReport, actor: Actor) -> FileResponse:
    """The zip as a download, which is on record."""
    if row.state != ReportState.DONE:
        raise Http404
    note_download(report=row, actor=actor)
    return FileResponse(
        default_storage.open(row.blob, "rb"),
        as_attachment=True,
        filename=str(bundle_name(row)),
        content_type="application/zip",
    )


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def new_link(request: HttpRequest, organization: Organization) -> HttpResponse:
    """A link for an auditor; its address is shown once."""
    form = LinkForm(request.POST)
    if form.is_valid():
        made = create_auditor_link(
            organization_id=organization.id,
            actor=actor_of_person(request),
            at=now(),
            **form.cleaned_data,
        )
        address = reverse("auditor", args=[made.token])
        request.session["auditor_link"] = request.build_absolute_uri(address)
    else:
        messages.error(request, "Say for whom the link is, and for how many days (1 to 90).")
    return redirect("reports", slug=organization.slug)


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def end_link(request: HttpRequest, organization: Organization, link_id: UUID) -> HttpResponse:
    """Revoke a link."""
    return done_or_told(
        request,
        lambda: revoke_auditor_link(
            link_id=link_id,
            organization_id=organization.id,
            actor=actor_of_person(request),
            at=now(),
        ),
        done="The link no longer opens anything.",
        onward="reports",
        slug=organization.slug,
    )


@require_GET
@never_cache
def for_auditor(request: HttpRequest, token: str) -> HttpResponse:
    """What a link shows: the finished reports and the log of one organization."""
    try:
        link = open_auditor_link(token=token, page="reports and log", at=now(), **origin(request))
    except AuditorLinkEnded as ended:
        return render(request, "governance/auditor_ended.html", {"ended": ended}, status=410)
    finished = ComplianceReport.objects.filter(
        organization=link.organization, state=ReportState.DONE
    )
    context = {
        "link": link,
        "audited": link.organization,
        "token": token,
        "rows": list(finished.order_by("-requested_at")[:SHOWN]),
        "page": audit_page(link.organization_id, AuditFilter(), cursor=request.GET.get("after")),
        "mark": chain_mark(),
    }
    return render(request, "governance/auditor.html", context)


@require_GET
@never_cache
def for_auditor_bundle(request: HttpRequest, token: str, report_id: UUID) -> FileResponse:
    """A bundle by way of a link."""
    try:
        link = open_auditor_link(token=token, page="bundle", at=now(), **origin(request))
    except AuditorLinkEnded as ended:
        raise Http404 from ended
    actor = auditor(link, **origin(request))
    return bundle(report_or_404(link.organization, report_id), actor)


def origin(request: HttpRequest) -> dict[str, Any]:
    """Where the request came from."""
    return {"ip": client_ip(request), "request_id": getattr(request, "request_id", "")}


@require_POST
@staff_page
def erase(request: HttpRequest) -> HttpResponse:
    """Erase a person, after their address was typed twice."""
    form = ErasureForm(request.POST)
    if not form.is_valid() or form.cleaned_data["email"] != form.cleaned_data["again"]:
        messages.error(request, "Type the same address twice, and a reason. Nothing was erased.")
        return redirect("operator-reports")
    return done_or_told(
        request,
        lambda: erase_person(
            email=form.cleaned_data["email"],
            reason=form.cleaned_data["reason"],
            actor=actor_of_person(request),
            at=now(),
        ),
        done="The person is erased. Every proof of the audit log stays valid.",
        onward="operator-reports",
    )
