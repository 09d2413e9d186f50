"""Erasing a person: no name, address or words of theirs stays, and every proof stays valid.

Rows that tell what happened are kept under the person's id, which then leads to nobody.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pgtrigger
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.registry import erasure_hooks
from governance.models import (
    Acceptance,
    AuditEntry,
    DirectoryResource,
    Invitation,
    LoginLink,
    Membership,
    OutgoingMail,
    User,
)
from governance.operations import audit
from governance.operations.members import remove_member
from governance.operations.scrubbing import scrub_everywhere


@dataclass(frozen=True)
class Erasure:
    """What was forgotten: entries of the log opened no more, rows changed or deleted elsewhere."""

    person: UUID
    entries: int
    rows: int


@transaction.atomic
def erase_person(*, email: str, reason: str, actor: Actor, at: datetime) -> Erasure:
    """Erase the person with this address for ever. Raises NotFound, LastOwner.

    Their seats are freed and their sign-ins end. The audit log keeps its entries with commitments
    that nobody can open any more. Not to be undone; evidence under a preservation hold stays sealed.
    """
    user = User.objects.select_for_update().filter(email__iexact=email.strip()).first()
    if user is None:
        raise NotFound(f"There is no person with the address {email.strip()}.")
    name, address = user.name.strip(), user.email
    for membership in Membership.objects.filter(user=user, deactivated_at=None):
        remove_member(
            organization_id=membership.organization_id,
            user_id=user.id,
            reason="erased",
            actor=actor,
            at=at,
        )
    rows = sum(hook(user.id, at) for hook in erasure_hooks.all()) + _forget_sign_ins(user)
    _anonymise(user)
    rows += scrub_everywhere(_names(address, name, user.id), pseudonym=_pseudonym(user.id))
    entries = _close_entries(user.id, address, name)
    audit.record(
        act="person.erased",
        actor=actor,
        subject_kind="person",
        subject_id=user.id,
        facts={"reason": reason, "entries": entries, "rows": rows},
    )
    _forget_mail_files(address)
    return Erasure(user.id, entries, rows)


def _pseudonym(user_id: UUID) -> str:
    return f"erased-{user_id.hex[-12:]}"


def _names(address: str, name: str, user_id: UUID) -> list[str]:
    """What to look for: the address, and the name where it is long enough and nobody else's."""
    shared = User.objects.filter(name__iexact=name).exclude(id=user_id).exists()
    return [address] + ([name] if " " in name and not shared else [])


def _forget_sign_ins(user: User) -> int:
    """Sessions, links, second factors, single sign-on, directory, letters, invitations."""
    person = {"user": user}
    gone = [
        LoginLink.objects.filter(**person).delete()[0],
        EmailAddress.objects.filter(**person).delete()[0],
        Authenticator.objects.filter(**person).delete()[0],
        SocialAccount.objects.filter(**person).delete()[0],
        DirectoryResource.objects.filter(**person).delete()[0],
        OutgoingMail.objects.filter(to_address__iexact=user.email).delete()[0],
        Invitation.objects.filter(email__iexact=user.email, accepted_at=None).delete()[0],
    ]
    sessions = [
        session.pk
        for session in Session.objects.iterator()
        if session.get_decoded().get("_auth_user_id") == str(user.id)
    ]
    return int(sum(gone) + Session.objects.filter(pk__in=sessions).delete()[0])


def _anonymise(user: User) -> None:
    with pgtrigger.ignore("governance.Acceptance:append_only"):
        Acceptance.objects.filter(user=user).update(ip=None)
    user.email = f"{_pseudonym(user.id)}@erased.invalid"
    user.name, user.is_active, user.time_zone = "", False, "UTC"
    user.set_unusable_password()
    user.save()


def _close_entries(user_id: UUID, address: str, name: str) -> int:
    """Take value and salt of everything personal out of the entries; leaves and proofs stay."""
    mine = Q(actor_kind="user", actor_id=str(user_id)) | Q(actor_label__iexact=address)
    told = Q(personal__icontains=address)
    if name:
        mine |= Q(actor_label__iexact=name)
        told |= Q(personal__icontains=name)
    closed = 0
    for entry in AuditEntry.objects.filter(mine | told).iterator(chunk_size=1000):
        _close(entry, user_id, [each.casefold() for each in (address, name) if each])
        closed += 1
    return closed


def _close(entry: AuditEntry, user_id: UUID, words: list[str]) -> None:
    if entry.actor_id == str(user_id) or entry.actor_label.casefold() in words:
        entry.actor_label, entry.ip = "", None
        entry.salts.pop("actor", None)
        entry.salts.pop("ip", None)
    for fact, value in list(entry.personal.items()):
        if any(word in value.casefold() for word in words):
            del entry.personal[fact]
            entry.salts.pop(fact, None)
    entry.save(update_fields=["actor_label", "ip", "personal", "salts"])


def _forget_mail_files(address: str) -> None:
    """Letters that the file back end of development wrote down."""
    folder = settings.EMAIL_FILE_PATH
    for letter in folder.glob("*") if folder.is_dir() else ():
        if address.casefold() in letter.read_text(errors="replace").casefold():
            letter.unlink()
