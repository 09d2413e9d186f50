"""The operator's compliance home, the kill switch, and the releases."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from governance.models import DeniedFile, KillSwitch, ModelRelease, TerminationNotice
from governance.operations.revocation import deny_file, revoke_release, sign_destruction
from governance.operations.termination import engage_kill_switch, release_kill_switch
from governance.portal.licence.forms import DeniedFileForm, DestructionForm, ReasonForm
from governance.portal.licence.people import actor_of_session, done_or_told, staff_page
from governance.portal.licence.record_forms import NoticeForm
from governance.queries.audit import latest_entries
from governance.queries.compliance import compliance_overview
from governance.queries.lineage import ancestors, descendants
from governance.queries.terms import terms_in_force

STATEMENT = "All copies of this release and of everything derived from it are destroyed (9.4)."


@staff_page
def compliance(request: HttpRequest) -> HttpResponse:
    """One sentence, the tiles, the worst first, the last changes; each leads to its evidence."""
    at = now()
    overview = compliance_overview(at=at)
    return render(
        request,
        "governance/licence/compliance.html",
        {
            "overview": overview,
            "notices": TerminationNotice.objects.filter(withdrawn_at=None).order_by("ends_at"),
            "notice_form": NoticeForm(),
            "switch": KillSwitch.objects.get(id=1),
            "terms": terms_in_force(at),
            "entries": latest_entries(None),
            "reason_form": ReasonForm(),
        },
    )


@require_POST
@staff_page
def stop(request: HttpRequest) -> HttpResponse:
    """The kill switch: one person stops everything."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return redirect("compliance")
    return done_or_told(
        request,
        lambda: engage_kill_switch(
            reason=form.cleaned_data["reason"], actor=actor_of_session(request), at=now()
        ),
        done="All generation is stopped.",
        onward="compliance",
    )


@require_POST
@staff_page
def resume(request: HttpRequest) -> HttpResponse:
    """Ask to resume; the second person's agreement resumes."""
    return done_or_told(
        request,
        lambda: release_kill_switch(actor=actor_of_session(request), at=now()),
        done="It is on record that you agree to resume.",
        onward="compliance",
    )


@staff_page
def releases(request: HttpRequest) -> HttpResponse:
    """Every release with its hashes, lineage, notices and what was done with it."""
    rows = [
        {
            "release": release,
            "files": list(release.files.order_by("path")),
            "ancestors": ancestors(release),
            "descendants": descendants(release),
            "destruction": release.destructions.order_by("-signed_at").first(),
            "notices": list(release.notices.filter(withdrawn_at=None)),
        }
        for release in ModelRelease.objects.select_related("parent").order_by("status", "name")
    ]
    return render(
        request,
        "governance/licence/releases.html",
        {
            "rows": rows,
            "denied": DeniedFile.objects.order_by("-added_at"),
            "deny_form": DeniedFileForm(),
            "reason_form": ReasonForm(),
            "destruction_form": DestructionForm(),
        },
    )


@require_POST
@staff_page
def revoke(request: HttpRequest, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Revoke a release and what derives from it."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return redirect("releases")
    return done_or_told(
        request,
        lambda: revoke_release(
            release_id=id,
            reason=form.cleaned_data["reason"],
            actor=actor_of_session(request),
            at=now(),
        ),
        done="The release is revoked. Engines unload it within seconds.",
        onward="releases",
    )


@require_POST
@staff_page
def destroy(request: HttpRequest, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Sign that every copy and derivative is destroyed."""
    lines = [line.strip() for line in request.POST.get("copies", "").splitlines()]
    return done_or_told(
        request,
        lambda: sign_destruction(
            release_id=id,
            copies=[line for line in lines if line],
            statement=STATEMENT,
            actor=actor_of_session(request),
            at=now(),
        ),
        done="The destruction is on record.",
        onward="releases",
    )


@require_POST
@staff_page
def deny(request: HttpRequest) -> HttpResponse:
    """Put a file on the deny-list."""
    form = DeniedFileForm(request.POST)
    if not form.is_valid():
        return redirect("releases")
    return done_or_told(
        request,
        lambda: deny_file(**form.cleaned_data, actor=actor_of_session(request), at=now()),
        done="The file is denied; releases that hold it are revoked.",
        onward="releases",
    )
