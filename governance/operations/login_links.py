"""One-time links that sign a person in."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.models import LoginLink, User
from governance.operations import audit

LIFETIME = timedelta(hours=24)


class LoginLinkSpent(DomainError):
    """The link was used, has expired or never existed."""

    code = "login_link_spent"
    title = "This login link cannot be used any more"
    status = 410


def create_login_link(*, user: User, at: datetime) -> str:
    """The token of a new link for ``user``, valid once within 24 hours."""
    token = secrets.token_urlsafe(32)
    LoginLink.objects.create(
        digest=_digest(token), user=user, created_at=at, expires_at=at + LIFETIME
    )
    return token


@transaction.atomic
def redeem_login_link(*, token: str, actor_ip: str | None, request_id: str, at: datetime) -> User:
    """The person whose link this is; the link is spent by this call. Raises LoginLinkSpent."""
    link = (
        LoginLink.objects.select_for_update()
        .select_related("user")
        .filter(digest=_digest(token), used_at__isnull=True, expires_at__gt=at)
        .first()
    )
    if link is None or not link.user.is_active:
        raise LoginLinkSpent(
            "This login link was used before or has expired. Ask for a new one, or run "
            "`python manage.py login_link`."
        )
    link.used_at = at
    link.save(update_fields=["used_at"])
    audit.record(
        act="person.signed_in",
        actor=Actor(
            kind="user",
            id=str(link.user.id),
            label=link.user.email,
            ip=actor_ip,
            request_id=request_id,
        ),
        subject_kind="person",
        subject_id=link.user.id,
        facts={"by": "login_link"},
    )
    return link.user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
