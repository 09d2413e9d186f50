"""The review queue, one case, and the inbox of reports and removals."""

from base64 import b64encode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_POST

from governance.kernel.errors import DomainError, NotFound
from moderation.models import Finding
from moderation.operations.appeals import open_reported_image
from moderation.operations.child_safety import draft_report
from moderation.operations.removals import reject_removal, remove_image
from moderation.operations.review import claim_case, judge_case, return_case
from moderation.operations.vault import open_evidence
from moderation.portal.access import actor_on, person_on, reviewer_page, staff_page
from moderation.queries.appeals import open_removals, reports_inbox
from moderation.queries.cases import (
    CaseDetail,
    agreement,
    case_detail,
    open_queue,
    queue_counts,
    reviewer_of,
)
from moderation.queries.policies import active_bundle

CHILD_SAFETY = "child_safety"


@require_GET
@staff_page
def queue(request: HttpRequest) -> HttpResponse:
    """What waits, most pressing first; reviewers take the next one."""
    context = {
        "rows": open_queue(at=now()),
        "counts": queue_counts(),
        "reviewer": reviewer_of(person_on(request).id),
        "agreement": agreement(),
    }
    return render(request, "moderation/queue.html", context)


@require_POST
@reviewer_page
def next_case(request: HttpRequest) -> HttpResponse:
    """Lease the most pressing case and go there."""
    try:
        case = claim_case(reviewer_id=person_on(request).id, at=now())
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return redirect("moderation-queue")
    if case is None:
        messages.info(request, "Nothing waits for you.")
        return redirect("moderation-queue")
    return redirect("moderation-case", case_id=case.id)


@require_GET
@staff_page
def case_page(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """One case: the gate's timeline, what can be shown, and the decision to make."""
    return _case(request, _detail(case_id))


@require_POST
@reviewer_page
def reveal(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The refused prompt or reported image, for a justification that is logged. Item 1 never is."""
    detail = _detail(case_id)
    sealed = detail.evidence_id is None and not detail.reports
    if sealed or not _holds(request, detail) or not detail.case.displayable:
        raise Http404
    try:
        return _case(request, detail, **_opened(request, detail))
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    return redirect("moderation-case", case_id=case_id)


def _opened(request: HttpRequest, detail: CaseDetail) -> dict[str, str]:
    why, actor = request.POST.get("justification", ""), actor_on(request)
    if detail.reports:
        image = open_reported_image(report_id=detail.reports[0].id, actor=actor, justification=why)
        return {"image": f"data:;base64,{b64encode(image).decode()}"}
    assert detail.evidence_id is not None
    plain = open_evidence(evidence_id=detail.evidence_id, actor=actor, justification=why)
    return {"prompt": plain.decode()}


@require_POST
@reviewer_page
def report_draft(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The draft of the report to the authority, as a file; for the child-safety role alone."""
    reviewer = reviewer_of(person_on(request).id)
    if reviewer is None or CHILD_SAFETY not in reviewer.roles:
        raise Http404
    try:
        draft = draft_report(case_id=case_id, actor=actor_on(request))
    except NotFound as absent:
        raise Http404 from absent
    reply = JsonResponse(draft, json_dumps_params={"indent": 2})
    reply["Content-Disposition"] = f'attachment; filename="report-draft-{case_id}.json"'
    return reply


@require_POST
@reviewer_page
def judge(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """Uphold, overturn or escalate; then back to the queue."""
    finding = request.POST.get("finding", "")
    if finding not in Finding.values:
        messages.error(request, "Choose uphold, overturn or escalate.")
        return redirect("moderation-case", case_id=case_id)
    try:
        case = judge_case(
            case_id=case_id,
            lease_epoch=_number(request.POST.get("epoch")),
            finding=Finding(finding),
            item=request.POST.get("item", "")[:16],
            reason=request.POST.get("reason", ""),
            actor=actor_on(request),
            at=now(),
        )
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return redirect("moderation-case", case_id=case_id)
    done = "The case is decided." if case.decided_at else "Written. A second person will judge it."
    messages.success(request, done)
    return redirect("moderation-queue")


@require_POST
@reviewer_page
def give_back(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """Return the case unjudged."""
    try:
        return_case(
            case_id=case_id,
            reviewer_id=person_on(request).id,
            lease_epoch=_number(request.POST.get("epoch")),
        )
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    return redirect("moderation-queue")


@require_GET
@staff_page
def reports(request: HttpRequest) -> HttpResponse:
    """User reports and the removals whose 48 hours run."""
    context = {"reports": reports_inbox(), "removals": open_removals(), "now": now()}
    return render(request, "moderation/reports.html", context)


@require_POST
@reviewer_page
def remove(request: HttpRequest, removal_id: UUID) -> HttpResponse:
    """Take a reported image away."""
    try:
        remove_image(removal_id=removal_id, actor=actor_on(request), at=now())
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, "The image was removed and its hash remembered.")
    return redirect("moderation-reports")


@require_POST
@reviewer_page
def reject(request: HttpRequest, removal_id: UUID) -> HttpResponse:
    """Leave a reported image where it is, for a reason."""
    reason = request.POST.get("reason", "").strip()[:2000]
    if not reason:
        messages.error(request, "Say why the image stays.")
        return redirect("moderation-reports")
    try:
        reject_removal(removal_id=removal_id, reason=reason, actor=actor_on(request), at=now())
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, "The image stays, and the reporter sees so.")
    return redirect("moderation-reports")


def _detail(case_id: UUID) -> CaseDetail:
    detail = case_detail(case_id)
    if detail is None:
        raise Http404
    return detail


def _holds(request: HttpRequest, detail: CaseDetail) -> bool:
    case = detail.case
    return (
        case.leased_by_id == person_on(request).id
        and case.lease_until is not None
        and case.lease_until > now()
    )


def _case(
    request: HttpRequest, detail: CaseDetail, prompt: str = "", image: str = ""
) -> HttpResponse:
    reviewer = reviewer_of(person_on(request).id)
    context = {
        "detail": detail,
        "case": detail.case,
        "may_draft": reviewer is not None and CHILD_SAFETY in reviewer.roles,
        "holds": _holds(request, detail),
        "prompt": prompt,
        "image": image,
        "items": active_bundle().items.values(),
        "findings": Finding.choices,
    }
    return render(request, "moderation/case.html", context)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else -1
