"""The kill switch, and the releases."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from governance.models import DeniedFile, ModelRelease
from governance.operations.revocation import deny_file, revoke_release, sign_destruction
from governance.operations.termination import engage_kill_switch, release_kill_switch
from governance.portal.licence.forms import DeniedFileForm, DestructionForm, ReasonForm
from governance.portal.licence.people import actor_of_session, done_or_told, staff_page
from governance.queries.lineage import ancestors, descendants

STATEMENT = "All copies of this release and of everything derived from it are destroyed (9.4)."


@staff_page
def moved(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 (a view's signature)
    """The compliance page is the operator's home now; mails and bookmarks hold its old address."""
    return redirect("operator", permanent=True)


@require_POST
@staff_page
def stop(request: HttpRequest) -> HttpResponse:
    """The kill switch: one person stops everything."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return redirect("operator")
    return done_or_told(
        request,
        lambda: engage_kill_switch(
            reason=form.cleaned_data["reason"], actor=actor_of_session(request), at=now()
        ),
        done="All generation is stopped.",
        onward="operator",
    )


@require_POST
@staff_page
def resume(request: HttpRequest) -> HttpResponse:
    """Ask to resume; the second person's agreement resumes."""
    return done_or_told(
        request,
        lambda: release_kill_switch(actor=actor_of_session(request), at=now()),
        done="It is on record that you agree to resume.",
        onward="operator",
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
