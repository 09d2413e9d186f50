"""What a customer's directory decides: who is provisioned, and who is not any more."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.models import DirectoryToken, Membership, Organization, Role, User
from governance.operations import audit
from governance.operations.members import remove_member
from governance.operations.organizations import add_member

PREFIX = "lct_scim_"


@dataclass(frozen=True)
class MadeToken:
    """A directory token and its secret, which is shown this once."""

    token: DirectoryToken
    secret: str


@transaction.atomic
def create_directory_token(
    *, organization_id: UUID, label: str, actor: Actor, at: datetime
) -> MadeToken:
    """A bearer token for the organization's directory. Not idempotent."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = DirectoryToken.objects.create(
        organization_id=organization_id, label=label, digest=_digest(secret), created_at=at
    )
    _record("directory_token.created", token, actor)
    return MadeToken(token, secret)


@transaction.atomic
def revoke_directory_token(
    *, organization_id: UUID, token_id: UUID, actor: Actor, at: datetime
) -> DirectoryToken:
    """Revoke a directory's token at once. Revoked again, the first time stands."""
    token = DirectoryToken.objects.select_for_update().get(
        id=token_id, organization_id=organization_id
    )
    if token.revoked_at is None:
        token.revoked_at = at
        token.save(update_fields=["revoked_at"])
        _record("directory_token.revoked", token, actor)
    return token


def directory_of(secret: str) -> DirectoryToken | None:
    """The connection whose token this is, or None; reads the database every time."""
    return (
        DirectoryToken.objects.select_related("organization")
        .filter(digest=_digest(secret), revoked_at=None)
        .first()
    )


@transaction.atomic
def provision_person(
    *, organization: Organization, address: str, name: str, user: User | None, actor: Actor,
    at: datetime,
) -> User:  # fmt: skip
    """The person of this address, a member with a seat from now on. Idempotent.

    A person whom the service knows already keeps their own name and address: a directory speaks
    for its organization only. Above the seat line it is recorded and grace runs.
    """
    person = user or User.objects.filter(email__iexact=address).first()
    if person is None:
        person = User.objects.create_user(address.lower(), None, name=name[:200])
    add_member(
        organization_id=organization.id,
        user=person,
        role=Role.MEMBER,
        actor=actor,
        at=at,
        source="scim",
    )
    return person


@transaction.atomic
def deprovision_person(
    *, organization: Organization, user: User, actor: Actor, at: datetime
) -> None:
    """End the person's membership; the seat is free at once. Idempotent. Raises LastOwner."""
    if Membership.objects.filter(organization=organization, user=user).exists():
        remove_member(
            organization_id=organization.id,
            user_id=user.id,
            reason="deprovisioned by the directory",
            actor=actor,
            at=at,
        )


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _record(act: str, token: DirectoryToken, actor: Actor) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=token.organization_id,
        subject_kind="directory_token",
        subject_id=token.id,
        facts={"label": token.label},
    )
