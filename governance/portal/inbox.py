"""The development inbox: every letter as its recipient would see it. Not there in production."""

import re
from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from governance.kernel.errors import NotFound
from governance.models import OutgoingMail
from governance.queries.mail import latest_mail, mail_by_id

STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
View = Callable[..., HttpResponse]


def in_development(view: View) -> View:
    """A page for staff of a development deployment; a 404 elsewhere, as if it were not there."""

    @require_GET
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not settings.DEVELOPMENT_INBOX or not request.user.is_staff:
            raise Http404
        return view(request, **kwargs)

    return guarded


@in_development
def inbox(request: HttpRequest, mail_id: UUID | None = None) -> HttpResponse:
    """The letters, newest first, and the chosen one beside them."""
    words = request.GET.get("q", "").strip()[:100]
    letters = latest_mail(words=words)
    chosen = _letter(mail_id) if mail_id else None
    context = {"letters": letters, "chosen": chosen, "words": words}
    return render(request, "governance/inbox.html", context)


@in_development
@xframe_options_sameorigin
def letter_body(request: HttpRequest, mail_id: UUID) -> HttpResponse:  # noqa: ARG001 (a view)
    """A letter's own page, framed by the inbox: no script, no address but its own style."""
    html = _letter(mail_id).html
    digests = [b64encode(sha256(css.encode()).digest()).decode() for css in STYLE.findall(html)]
    response = HttpResponse(html)
    # django-csp's own hook, as its decorators set it; here the value differs from letter to letter.
    response._csp_config = {  # type: ignore[attr-defined]  # noqa: SLF001
        "default-src": ["'none'"],
        "style-src": [f"'sha256-{digest}'" for digest in digests] or ["'none'"],
        "frame-ancestors": ["'self'"],
        "form-action": ["'none'"],
    }
    return response


def _letter(mail_id: UUID) -> OutgoingMail:
    try:
        return mail_by_id(mail_id)
    except NotFound as error:
        raise Http404 from error
