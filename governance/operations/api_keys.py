"""Creating, checking and revoking tenant API keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.kernel.locks import Lockable, lock_for_revocation
from governance.kernel.secrets import Mode, generate_key, is_well_formed, peppered_digest
from governance.models import ApiKey, Project
from governance.operations import audit

ALL_SCOPES = ("images:write", "images:read", "organization:read", "organization:write")
# last_used_at is for people; one write a minute per key keeps the row out of the hot path.
LAST_USED_RESOLUTION = timedelta(minutes=1)


class InvalidApiKey(DomainError):
    """The key is missing, mistyped, unknown, expired or revoked; which, the caller is not told."""

    code = "invalid_api_key"
    title = "The API key is not valid"
    status = 401


class ScopeMissing(DomainError):
    """The key is valid but was not given the scope that this request needs."""

    code = "scope_missing"
    title = "The API key does not have the scope for this request"
    status = 403


@dataclass(frozen=True)
class CreatedKey:
    """A new key and its secret, which is shown this once and never again."""

    key: ApiKey
    secret: str


@dataclass(frozen=True)
class Caller:
    """Who is calling, as the key tells: tenant, project, mode and scopes."""

    key_id: UUID
    organization_id: UUID
    project_id: UUID
    mode: str
    scopes: frozenset[str]
    label: str

    is_authenticated = True


@transaction.atomic
def create_api_key(
    *,
    project: Project,
    name: str,
    actor: Actor,
    at: datetime,
    mode: Mode = "live",
    scopes: tuple[str, ...] = ALL_SCOPES,
    expires_at: datetime | None = None,
    created_by_id: UUID | None = None,
) -> CreatedKey:
    """Make a key for ``project``. Not idempotent: each call makes another key."""
    secret = generate_key(mode)
    key = ApiKey.objects.create(
        organization_id=project.organization_id,
        project=project,
        name=name,
        mode=mode,
        scopes=list(scopes),
        digest=peppered_digest(secret, pepper=settings.API_KEY_PEPPER),
        last_four=secret[-4:],
        created_by_id=created_by_id,
        created_at=at,
        expires_at=expires_at,
    )
    audit.record(
        act="api_key.created",
        actor=actor,
        organization_id=key.organization_id,
        subject_kind="api_key",
        subject_id=key.id,
        facts={"name": name, "mode": mode, "scopes": list(scopes)},
    )
    return CreatedKey(key=key, secret=secret)


def authenticate(*, secret: str, at: datetime, ip: str | None, client: str) -> Caller:
    """The caller behind ``secret``. Raises InvalidApiKey.

    Reads the database every time, so that a revocation holds from the moment it commits.
    """
    if not is_well_formed(secret):
        raise InvalidApiKey("The API key is not valid. Check that it was copied whole.")
    digest = peppered_digest(secret, pepper=settings.API_KEY_PEPPER)
    key = ApiKey.objects.filter(digest=digest).first()
    if key is None or key.revoked_at is not None:
        raise InvalidApiKey("The API key is unknown or revoked. Create one in the portal.")
    if key.expires_at is not None and key.expires_at <= at:
        raise InvalidApiKey("The API key has expired. Create or rotate one in the portal.")
    if key.last_used_at is None or at - key.last_used_at >= LAST_USED_RESOLUTION:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=at)
        ApiKey.objects.filter(stale, id=key.id).update(
            last_used_at=at, last_used_ip=ip, last_used_client=client[:200]
        )
    return Caller(
        key_id=key.id,
        organization_id=key.organization_id,
        project_id=key.project_id,
        mode=key.mode,
        scopes=frozenset(key.scopes),
        label=key.name,
    )


@transaction.atomic
def revoke_api_key(*, key_id: UUID, organization_id: UUID, actor: Actor, at: datetime) -> ApiKey:
    """Revoke a key at once. Asked again, the first revocation stands."""
    # Holds share this lock while they read the key: a hold that has seen the key alive has committed
    # before the revocation does, and none comes after it.
    lock_for_revocation(Lockable.API_KEY, key_id)
    key = ApiKey.objects.select_for_update().get(id=key_id, organization_id=organization_id)
    if key.revoked_at is None:
        key.revoked_at = at
        key.save(update_fields=["revoked_at"])
        audit.record(
            act="api_key.revoked",
            actor=actor,
            organization_id=organization_id,
            subject_kind="api_key",
            subject_id=key.id,
            facts={"name": key.name},
        )
    return key
