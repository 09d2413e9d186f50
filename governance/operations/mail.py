"""E-mail by an outbox: a letter is posted with the act that it tells of and delivered after it.

Delivery is at least once: a process that is killed between the mail server's "accepted" and the row
that says so sends the letter a second time, and none is ever lost.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from governance.kernel.letters import Letter
from governance.models import Membership, OutgoingMail

LEASE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
# One minute, doubled: about two days until the last of these.
MOST_ATTEMPTS = 16
AT_ONCE = 50


def post_letter(
    letter: Letter, *, to: Iterable[str], at: datetime, organization_id: UUID | None = None
) -> list[OutgoingMail]:
    """Put ``letter`` into the outbox, once per address; call it inside the transaction of the act."""
    context = {"letter": letter, "address": settings.PUBLIC_URL}
    text = render_to_string("mail/letter.txt", context)
    html = render_to_string("mail/letter.html", context)
    return OutgoingMail.objects.bulk_create(
        OutgoingMail(
            organization_id=organization_id,
            kind=letter.kind,
            to_address=address,
            subject=letter.subject[:200],
            text=text,
            html=html,
            created_at=at,
            next_try_at=at,
        )
        for address in dict.fromkeys(to)
    )


def post_to_roles(
    letter: Letter, *, organization_id: UUID, roles: Iterable[str], at: datetime
) -> list[OutgoingMail]:
    """Put ``letter`` into the outbox for every active member with one of ``roles``."""
    addresses = Membership.objects.filter(
        organization_id=organization_id, role__in=list(roles), deactivated_at=None
    ).values_list("user__email", flat=True)
    return post_letter(letter, to=addresses, at=at, organization_id=organization_id)


def deliver_due_mail(*, at: datetime) -> int:
    """Send what is due; returns how many were accepted. May run anywhere, any number of times.

    A refused letter is tried again after one minute, then twice as long each time, up to six hours,
    and given up after about two days. Nothing is sent inside a transaction.
    """
    return sum(_deliver(mail, at) for mail in _take_due(at))


def clear_old_mail(*, at: datetime) -> int:
    """Delete letters older than LICET_MAIL_KEPT_DAYS, sent or given up. Returns how many."""
    oldest = at - timedelta(days=settings.MAIL_KEPT_DAYS)
    waiting = OutgoingMail.objects.filter(created_at__lt=oldest)
    deleted, _ = waiting.exclude(sent_at=None, given_up_at=None).delete()
    return deleted


@transaction.atomic
def _take_due(at: datetime) -> list[OutgoingMail]:
    waiting = OutgoingMail.objects.filter(sent_at=None, given_up_at=None, next_try_at__lte=at)
    due = list(waiting.select_for_update(skip_locked=True).order_by("next_try_at")[:AT_ONCE])
    OutgoingMail.objects.filter(id__in=[mail.id for mail in due]).update(next_try_at=at + LEASE)
    return due


def _deliver(mail: OutgoingMail, at: datetime) -> bool:
    message = EmailMultiAlternatives(
        mail.subject,
        mail.text,
        settings.DEFAULT_FROM_EMAIL,
        [mail.to_address],
        headers={"Message-ID": f"<{mail.id}@licet>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(mail.html, "text/html")
    try:
        message.send()
    except (SMTPException, OSError) as error:
        _try_later(mail, str(error), at)
        return False
    _mark_sent(mail, at)
    return True


def _mark_sent(mail: OutgoingMail, at: datetime) -> None:
    """Links that sign people in stay on record only where the development inbox shows them."""
    mail.sent_at = at
    if not settings.DEVELOPMENT_INBOX:
        mail.text = mail.html = ""
    mail.save(update_fields=["sent_at", "text", "html"])


def _try_later(mail: OutgoingMail, error: str, at: datetime) -> None:
    mail.attempts += 1
    mail.last_error = error[:300]
    mail.next_try_at = at + min(FIRST_PAUSE * 2 ** (mail.attempts - 1), LONGEST_PAUSE)
    mail.given_up_at = at if mail.attempts >= MOST_ATTEMPTS else None
    mail.save(update_fields=["attempts", "last_error", "next_try_at", "given_up_at"])
