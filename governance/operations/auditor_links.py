"""Time-boxed links for auditors without an account: one organization's reports and log, read only."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.models import AuditorLink
from governance.operations import audit

LONGEST_DAYS = 90


class AuditorLinkEnded(DomainError):
    """The link has run out, was revoked or never existed."""

    code = "auditor_link_ended"
    title = "This auditor link cannot be used any more"
    status = 410


@dataclass(frozen=True)
class MadeLink:
    """A new link and its token, which is shown this once."""

    link: AuditorLink
    token: str


@transaction.atomic
def create_auditor_link(
    *, organization_id: UUID, label: str, days: int, actor: Actor, at: datetime
) -> MadeLink:
    """A link for 1 to 90 days. ``label`` says for whom. Raises InvalidRequest."""
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequest(f"A link lasts 1 to {LONGEST_DAYS} days.", param="days")
    if not label.strip():
        raise InvalidRequest("Say for whom the link is.", param="label")
    token = secrets.token_urlsafe(32)
    link = AuditorLink.objects.create(
        organization_id=organization_id,
        digest=_digest(token),
        label=label.strip()[:100],
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    _record("auditor_link.created", link, actor, days=days)
    return MadeLink(link, token)


@transaction.atomic
def revoke_auditor_link(
    *, link_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> AuditorLink:
    """End a link now. Revoked again, the first stands. Raises NotFound."""
    links = AuditorLink.objects.select_for_update()
    link = links.filter(id=link_id, organization_id=organization_id).first()
    if link is None:
        raise NotFound("There is no such link.")
    if link.revoked_at is None:
        link.revoked_at = at
        link.save(update_fields=["revoked_at"])
        _record("auditor_link.revoked", link, actor)
    return link


@transaction.atomic
def open_auditor_link(
    *, token: str, page: str, ip: str | None, request_id: str, at: datetime
) -> AuditorLink:
    """The link behind a token; each page that it shows is on record. Raises AuditorLinkEnded."""
    link = (
        AuditorLink.objects.select_related("organization")
        .filter(digest=_digest(token), revoked_at=None, expires_at__gt=at)
        .first()
    )
    if link is None:
        raise AuditorLinkEnded(
            "This link has run out or was revoked. Ask the organization for a new one."
        )
    AuditorLink.objects.filter(id=link.id).update(last_used_at=at)
    _record("auditor_link.opened", link, auditor(link, ip, request_id), page=page)
    return link


def auditor(link: AuditorLink, ip: str | None, request_id: str) -> Actor:
    """Who acts by way of a link."""
    return Actor(kind="auditor_link", id=str(link.id), ip=ip, request_id=request_id)


def links_of(organization_id: UUID, *, at: datetime) -> list[AuditorLink]:
    """The links that can still be opened, the first to end first."""
    return list(
        AuditorLink.objects.filter(
            organization_id=organization_id, revoked_at=None, expires_at__gt=at
        ).order_by(F("expires_at"))
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _record(act: str, link: AuditorLink, actor: Actor, **facts: object) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=link.organization_id,
        subject_kind="auditor_link",
        subject_id=link.id,
        facts=facts,
    )
