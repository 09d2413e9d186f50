"""Sending checkpoints away: once somebody else holds one, what came before cannot be rewritten."""

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from governance.models import AuditCheckpoint, Membership, Role


def send_checkpoint(checkpoint: AuditCheckpoint) -> int:
    """Mail the note to auditors, and with the first checkpoint of a day to owners; returns mails.

    Everybody gets a mail of their own, so that nobody learns the others' addresses.
    """
    people = sorted(checkpoint_recipients(checkpoint))
    if people:
        letters = [_letter(checkpoint, address) for address in people]
        get_connection().send_messages(letters)
    return len(people)


def checkpoint_recipients(checkpoint: AuditCheckpoint) -> set[str]:
    """Auditors of any organization and those of LICET_AUDIT_RECIPIENTS hourly, owners daily."""
    midnight = checkpoint.at.replace(hour=0, minute=0, second=0)
    today = AuditCheckpoint.objects.filter(at__gte=midnight, size__lt=checkpoint.size)
    roles = [Role.AUDITOR] if today.exists() else [Role.AUDITOR, Role.OWNER]
    members = Membership.objects.filter(
        role__in=roles, deactivated_at=None, user__is_active=True
    ).values_list("user__email", flat=True)
    return {*members, *settings.AUDIT_RECIPIENTS}


def _letter(checkpoint: AuditCheckpoint, address: str) -> EmailMessage:
    body = (
        f"{checkpoint.note}\n"
        f"This is the signed size and root of the audit log at {settings.PUBLIC_URL}. Keep it: nothing "
        "that the log held at this moment can be changed unseen by who has this note.\n\n"
        f"Key: {checkpoint.verifier_key}\n"
        "Check a report or an export of the log against it:\n"
        "  python verify.py BUNDLE --checkpoint checkpoint.txt\n"
    )
    letter = EmailMessage(
        f"Audit log checkpoint: {checkpoint.size:,} entries on {checkpoint.at:%d %B %Y %H:%M} UTC",
        body,
        settings.DEFAULT_FROM_EMAIL,
        [address],
    )
    letter.attach("checkpoint.txt", checkpoint.note, "text/plain")
    return letter
