"""Reminding owners that an attestation expires: at 30, 14, 3 and 1 days, once each."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from governance.kernel.actors import SYSTEM
from governance.kernel.letters import Letter
from governance.models import Attestation, AttestationReminder, Organization, Role
from governance.operations import audit
from governance.operations.mail import post_to_roles

DAYS_BEFORE = (30, 14, 3, 1)
_WHY = (
    "Section 2.3 of the Krea 2 Community License Agreement asks every organization to show that its "
    "revenue, affiliates included, stays below 1,000,000 USD."
)


def send_attestation_reminders(*, at: datetime) -> int:
    """Post what is due now and was not posted; may run as often as it likes. Returns letters posted.

    The mark that a reminder was sent and the letter in the outbox stand in one transaction.
    """
    newest = Attestation.objects.values("organization_id").annotate(latest=Max("signed_at"))
    due = Attestation.objects.filter(
        expires_at__gt=at, expires_at__lte=at + timedelta(days=DAYS_BEFORE[0])
    ).select_related("organization")
    latest = {row["organization_id"]: row["latest"] for row in newest}
    return sum(
        _remind(attestation, at)
        for attestation in due
        if latest[attestation.organization_id] == attestation.signed_at
    )


@transaction.atomic
def _remind(attestation: Attestation, at: datetime) -> int:
    left = attestation.expires_at - at
    step = min(days for days in DAYS_BEFORE if left <= timedelta(days=days))
    if not _mark(attestation, step, at):
        return 0
    posted = post_to_roles(
        _letter(attestation.organization, attestation.expires_at, left.days),
        organization_id=attestation.organization_id,
        roles=[Role.OWNER],
        at=at,
    )
    return len(posted)


def _mark(attestation: Attestation, step: int, at: datetime) -> bool:
    _, created = AttestationReminder.objects.get_or_create(
        attestation=attestation, days_before=step, defaults={"sent_at": at}
    )
    if created:
        audit.record(
            act="attestation.reminded",
            actor=SYSTEM,
            organization_id=attestation.organization_id,
            subject_kind="attestation",
            subject_id=attestation.id,
            facts={"days_before": step, "expires_at": attestation.expires_at.isoformat()},
        )
    return created


def _letter(organization: Organization, expires_at: datetime, days: int) -> Letter:
    left = "in less than a day" if days < 1 else f"in {days} day{'s' if days > 1 else ''}"
    return Letter(
        kind="attestation_reminder",
        subject=f"{organization.name}: the attestation of revenue expires on {expires_at:%d %B %Y}",
        heading=f"The attestation of revenue expires {left}",
        paragraphs=(
            _WHY,
            "From the expiry on nothing can be generated: there is no grace. It takes two minutes.",
        ),
        facts=(
            ("Organization", organization.name),
            ("Expires", f"{expires_at:%d %B %Y %H:%M} UTC"),
        ),
        action=(
            "Sign a new attestation",
            f"{settings.PUBLIC_URL}/o/{organization.slug}/licence/attestation/",
        ),
        tone="bad" if days <= DAYS_BEFORE[2] else "warn",
        small_print="You receive this as an owner of the organization.",
    )
