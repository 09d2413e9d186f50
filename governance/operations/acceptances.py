"""Accepting the terms, for oneself and with authority for the organization (section 3.1(a))."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest
from governance.models import Acceptance, TermsDocument, TermsVersion, User
from governance.operations import audit
from governance.operations.standing import refresh_standings


@transaction.atomic
def accept_terms(
    *,
    organization_id: UUID,
    user: User,
    version: TermsVersion,
    authority: str,
    actor: Actor,
    at: datetime,
) -> list[Acceptance]:
    """Accept licence and policy of ``version``; with ``authority`` also for the organization.

    Accepted again, the first acceptance stands and is returned.
    """
    if version.effective_from > at:
        raise InvalidRequest("These terms are not in force yet.", param="terms_version")
    rows = []
    for document in (version.licence, version.policy):
        rows.append(_accept(organization_id, user, document, "", actor, at))
        if authority:
            rows.append(_accept(organization_id, user, document, authority, actor, at))
    refresh_standings(organization_ids=[organization_id], at=at, actor=actor)
    return rows


def _accept(
    organization_id: UUID,
    user: User,
    document: TermsDocument,
    authority: str,
    actor: Actor,
    at: datetime,
) -> Acceptance:
    acceptance, created = Acceptance.objects.get_or_create(
        organization_id=organization_id,
        user=user,
        document=document,
        for_organization=bool(authority),
        defaults={
            "document_version": document.version,
            "document_sha256": document.sha256,
            "authority": authority,
            "accepted_at": at,
            "ip": actor.ip,
            "actor_kind": actor.kind,
            "actor_label": actor.label,
        },
    )
    if created:
        audit.record(
            act="terms.accepted",
            actor=actor,
            organization_id=organization_id,
            subject_kind="terms_document",
            subject_id=document.id,
            facts={
                "person": str(user.id),
                "document": f"{document.title} {document.version}",
                "sha256": document.sha256,
                "authority": authority,
                "for_organization": bool(authority),
            },
        )
    return acceptance
