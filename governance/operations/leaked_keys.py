"""Leaked keys: whoever finds one in public reports it; it is revoked, its people are told."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from governance.kernel.actors import Actor
from governance.kernel.letters import Letter
from governance.kernel.secrets import is_well_formed
from governance.models import ApiKey, Membership, RetiringSecret, Role
from governance.operations.api_keys import announce, record, revoke_api_key
from governance.operations.mail import post_letter

REASON = "leaked"


@dataclass(frozen=True)
class FoundSecret:
    """A secret as a scanner found it, and where."""

    secret: str
    url: str = ""
    source: str = ""


@transaction.atomic
def report_leaked_secret(*, found: FoundSecret, actor: Actor, at: datetime) -> bool:
    """Revoke the key of a leaked secret; whether it was one of ours.

    Of a secret that a rotation replaced only that secret ends, for the present one has not leaked.
    Reported again, nothing more happens. Owners, admins and the key's maker get a letter.
    """
    if not is_well_formed(found.secret):
        return False
    digests = settings.API_KEY_PEPPERS.digests(found.secret)
    key = ApiKey.objects.filter(digest__in=digests).first()
    if key is not None:
        if key.revoked_at is None:
            revoke_api_key(
                key_id=key.id,
                organization_id=key.organization_id,
                actor=actor,
                at=at,
                reason=REASON,
            )
            _tell(key, found, actor, "It is revoked: everything that used it answers 401 now.", at)
        return True
    old = RetiringSecret.objects.select_for_update().filter(digest__in=digests).first()
    if old is not None and old.retires_at > at:
        old.retires_at = at
        old.save(update_fields=["retires_at"])
        _tell(
            old.key,
            found,
            actor,
            "It had been rotated; the old secret ends now instead of after its grace. The new one works on.",
            at,
        )
    return old is not None


def _tell(key: ApiKey, found: FoundSecret, actor: Actor, consequence: str, at: datetime) -> None:
    announce(key, "api_key.leaked", at, url=found.url[:500])
    record(key, "api_key.leaked", actor, url=found.url[:500], source=found.source[:100])
    readers = Membership.objects.filter(
        Q(role__in=(Role.OWNER, Role.ADMIN)) | Q(user=key.created_by),
        organization_id=key.organization_id,
        deactivated_at=None,
    )
    addresses = sorted(set(readers.values_list("user__email", flat=True)))
    # One letter each: nobody learns who else was told.
    post_letter(
        _letter(key, found, actor, consequence),
        to=addresses,
        at=at,
        organization_id=key.organization_id,
    )


def _letter(key: ApiKey, found: FoundSecret, actor: Actor, consequence: str) -> Letter:
    return Letter(
        kind="api_key_leaked",
        subject=f"{key.organization.name}: the API key “{key.name}” was found in public",
        heading=f"The API key “{key.name}” was found in public",
        paragraphs=(
            consequence,
            "Make a new key, put it where the old one was, and look in the audit log what was done.",
        ),
        facts=(
            ("Key", f"{key.prefix}…"),
            ("Found at", found.url or found.source or "a public place"),
            ("Reported by", actor.label or "a secret scanner"),
        ),
        action=("Open the key", f"{settings.PUBLIC_URL}/o/{key.organization.slug}/keys/{key.id}/"),
        tone="bad",
    )
