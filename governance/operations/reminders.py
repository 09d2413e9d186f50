"""Reminding owners that an attestation expires: at 30, 14, 3 and 1 days, once each."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Max

from governance.kernel.actors import SYSTEM
from governance.models import Attestation, AttestationReminder, Membership, Organization, Role
from governance.operations import audit

DAYS_BEFORE = (30, 14, 3, 1)


def send_attestation_reminders(*, at: datetime) -> int:
    """Send what is due now and was not sent; may run as often as it likes. Returns mails sent.

    The row that marks a reminder as sent is written before the mail leaves: a crash in between
    loses one reminder rather than sending it on every run; the next one comes days later.
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


def _remind(attestation: Attestation, at: datetime) -> int:
    left = attestation.expires_at - at
    step = min(days for days in DAYS_BEFORE if left <= timedelta(days=days))
    if not _mark(attestation, step, at):
        return 0
    owners = list(
        Membership.objects.filter(
            organization=attestation.organization, role=Role.OWNER, deactivated_at=None
        ).values_list("user__email", flat=True)
    )
    if owners:
        subject, body = _letter(attestation.organization, attestation.expires_at, left.days)
        send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, owners)
    return len(owners)


@transaction.atomic
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


def _letter(organization: Organization, expires_at: datetime, days: int) -> tuple[str, str]:
    address = f"{settings.PUBLIC_URL}/o/{organization.slug}/licence/attestation/"
    return (
        f"{organization.name}: the attestation of revenue expires on {expires_at:%d %B %Y}",
        (
            f"The attestation of revenue (section 2.3 of the Krea 2 Community License Agreement) of "
            f"{organization.name} expires in {max(days, 0)} days, on {expires_at:%d %B %Y %H:%M} UTC. "
            f"From then on nothing can be generated: there is no grace.\n\nSign a new one: {address}\n"
        ),
    )
