"""Sending checkpoints away: once somebody else holds one, what came before cannot be rewritten."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from governance.kernel.letters import Letter
from governance.models import AuditCheckpoint, Membership, Role
from governance.operations.audit_tree import publish_checkpoint
from governance.operations.mail import post_letter


@transaction.atomic
def send_new_checkpoint(*, at: datetime) -> int:
    """Sign the log where it has grown, and post the note with it: both or neither. Returns letters."""
    checkpoint = publish_checkpoint(at=at)
    return send_checkpoint(checkpoint) if checkpoint else 0


def send_checkpoint(checkpoint: AuditCheckpoint) -> int:
    """Post the note to auditors, and with the first checkpoint of a day to owners; returns letters."""
    people = sorted(checkpoint_recipients(checkpoint))
    return len(post_letter(_letter(checkpoint), to=people, at=checkpoint.at))


def checkpoint_recipients(checkpoint: AuditCheckpoint) -> set[str]:
    """Auditors of any organization and those of LICET_AUDIT_RECIPIENTS hourly, owners daily."""
    midnight = checkpoint.at.replace(hour=0, minute=0, second=0)
    today = AuditCheckpoint.objects.filter(at__gte=midnight, size__lt=checkpoint.size)
    roles = [Role.AUDITOR] if today.exists() else [Role.AUDITOR, Role.OWNER]
    members = Membership.objects.filter(
        role__in=roles, deactivated_at=None, user__is_active=True
    ).values_list("user__email", flat=True)
    return {*members, *settings.AUDIT_RECIPIENTS}


def _letter(checkpoint: AuditCheckpoint) -> Letter:
    return Letter(
        kind="audit_checkpoint",
        subject=f"Audit log: {checkpoint.size:,} entries signed on {checkpoint.at:%d %B %Y %H:%M} UTC",
        heading="A signed checkpoint of the audit log",
        paragraphs=(
            (
                "Keep this letter. Nothing that the log held at this moment can be changed unseen by who "
                "has this note."
            ),
            checkpoint.note,
            (
                "Save the note to a file and check a report or an export of the log against it: "
                "python verify.py BUNDLE --checkpoint FILE"
            ),
        ),
        facts=(("Key", checkpoint.verifier_key),),
        action=(
            "Open the note",
            f"{settings.PUBLIC_URL}/v1/audit/checkpoints/{checkpoint.size}",
        ),
        small_print="You receive this as an auditor, an owner or by the operator's setting.",
    )
