"""Reading the outbox of e-mail, for the development inbox."""

from uuid import UUID

from governance.kernel.errors import NotFound
from governance.models import OutgoingMail

SHOWN = 100


def latest_mail(*, words: str = "") -> list[OutgoingMail]:
    """The newest letters, at most 100, whose subject or address contains ``words``."""
    letters = OutgoingMail.objects.defer("html", "text").order_by("-created_at", "-id")
    if words:
        letters = letters.filter(subject__icontains=words) | letters.filter(
            to_address__icontains=words
        )
    return list(letters[:SHOWN])


def mail_by_id(mail_id: UUID) -> OutgoingMail:
    """One letter. Raises NotFound."""
    found = OutgoingMail.objects.filter(id=mail_id).first()
    if found is None:
        raise NotFound("There is no such letter; old ones are deleted.")
    return found
