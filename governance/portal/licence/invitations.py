"""Accepting an invitation: the link proves the mailbox, the button takes the seat."""

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from governance.api.authentication import client_ip
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.operations.invitations import accept_invitation
from governance.queries.terms import terms_in_force

BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Looking spends nothing; accepting takes the seat, or says which place in the line it is."""
    if request.method == "GET":
        return render(
            request, "governance/licence/invitation.html", {"terms": terms_in_force(now())}
        )
    actor = Actor(
        kind="user",
        id="invitation",
        label="holder of the invitation",
        ip=client_ip(request),
        request_id=getattr(request, "request_id", ""),
    )
    try:
        membership = accept_invitation(token=token, actor=actor, at=now())
    except DomainError as refusal:
        page = "governance/licence/invitation_refused.html"
        return render(request, page, {"error": refusal}, status=refusal.status)
    if is_mfa_enabled(membership.user):
        # The link proves the mailbox only; a second factor is asked for where there is one.
        messages.success(request, "You are a member now. Sign in as you are used to.")
        return redirect("sign-in")
    login(request, membership.user, backend=BACKEND)
    return redirect("organization", slug=membership.organization.slug)
