"""Creating, checking, changing and revoking tenant API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from uuid import UUID

from django.conf import settings
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest
from governance.kernel.locks import Lockable, lock_for_revocation
from governance.kernel.secrets import Mode, generate_key, is_well_formed
from governance.models import ApiKey, Project, RetiringSecret
from governance.operations import audit
from governance.operations.webhook_events import send_event

ALL_SCOPES = ("images:write", "images:read", "organization:read", "organization:write")
MOST_NETWORKS = 50


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


class AddressNotAllowed(DomainError):
    """The key is valid but may not be used from the caller's address."""

    code = "ip_not_allowed"
    title = "The API key may not be used from this address"
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
    allowed_networks: Sequence[str] = (),
    created_by_id: UUID | None = None,
) -> CreatedKey:
    """Make a key for ``project``. Not idempotent: each call makes another key. Raises InvalidRequest."""
    networks = network_list(allowed_networks)
    secret = generate_key(mode)
    key = ApiKey.objects.create(
        organization_id=project.organization_id,
        project=project,
        name=name,
        mode=mode,
        scopes=list(scopes),
        allowed_networks=networks,
        digest=settings.API_KEY_PEPPERS.digest(secret),
        pepper_mark=settings.API_KEY_PEPPERS.mark,
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
        facts={"name": name, "mode": mode, "scopes": list(scopes), "networks": networks},
    )
    return CreatedKey(key=key, secret=secret)


def authenticate(*, secret: str, at: datetime, ip: str | None) -> Caller:
    """The caller behind ``secret``. Raises InvalidApiKey, AddressNotAllowed.

    Reads the database every time, so that a revocation holds in every process from the moment it
    commits. A key that was kept under an older pepper moves to the present one.
    """
    if not is_well_formed(secret):
        raise InvalidApiKey("The API key is not valid. Check that it was copied whole.")
    digests = settings.API_KEY_PEPPERS.digests(secret)
    key = ApiKey.objects.filter(digest__in=digests).first() or _retiring_key(digests, at)
    if key is None or key.revoked_at is not None:
        raise InvalidApiKey("The API key is unknown or revoked. Create one in the portal.")
    if key.expires_at is not None and key.expires_at <= at:
        raise InvalidApiKey("The API key has expired. Create or rotate one in the portal.")
    if key.allowed_networks and not _is_inside(ip, key.allowed_networks):
        raise AddressNotAllowed(
            f"This key may not be used from {ip or 'an unknown address'}. Add the address to the key's "
            "networks in the portal.",
            ip=ip,
        )
    if key.digest != digests[0] and key.digest in digests:
        ApiKey.objects.filter(id=key.id, digest=key.digest).update(
            digest=digests[0], pepper_mark=settings.API_KEY_PEPPERS.mark
        )
    return Caller(
        key_id=key.id,
        organization_id=key.organization_id,
        project_id=key.project_id,
        mode=key.mode,
        scopes=frozenset(key.scopes),
        label=key.name,
    )


def _retiring_key(digests: list[str], at: datetime) -> ApiKey | None:
    found = (
        RetiringSecret.objects.filter(digest__in=digests, retires_at__gt=at)
        .select_related("key")
        .first()
    )
    return found.key if found else None


def _is_inside(ip: str | None, networks: list[str]) -> bool:
    if ip is None:
        return False
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ip_network(network) for network in networks)


def network_list(lines: Sequence[str]) -> list[str]:
    """Networks in CIDR notation, each once; a single address is a network of one. Raises InvalidRequest."""
    if len(lines) > MOST_NETWORKS:
        raise InvalidRequest(f"At most {MOST_NETWORKS} networks.", param="allowed_networks")
    return list(dict.fromkeys(str(_network(line)) for line in lines))


def _network(line: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(line.strip())
    except ValueError as error:
        raise InvalidRequest(
            f"{line!r} is no network. Write it as 203.0.113.0/24 or 2001:db8::/32, with no bit set "
            "behind the mask.",
            param="allowed_networks",
        ) from error


@transaction.atomic
def restrict_api_key(
    *,
    key_id: UUID,
    organization_id: UUID,
    allowed_networks: Sequence[str],
    actor: Actor,
) -> ApiKey:
    """Set the networks that may use the key; none: everybody who has it. Raises InvalidRequest."""
    key = ApiKey.objects.select_for_update().get(id=key_id, organization_id=organization_id)
    networks = network_list(allowed_networks)
    if networks != key.allowed_networks:
        before, key.allowed_networks = key.allowed_networks, networks
        key.save(update_fields=["allowed_networks"])
        record(key, "api_key.restricted", actor, before=before, networks=networks)
    return key


@transaction.atomic
def revoke_api_key(
    *, key_id: UUID, organization_id: UUID, actor: Actor, at: datetime, reason: str = ""
) -> ApiKey:
    """Revoke a key at once. Asked again, the first revocation stands. ``reason`` is one word."""
    # Holds share this lock while they read the key: a hold that has seen the key alive has committed
    # before the revocation does, and none comes after it.
    lock_for_revocation(Lockable.API_KEY, key_id)
    key = ApiKey.objects.select_for_update().get(id=key_id, organization_id=organization_id)
    if key.revoked_at is None:
        key.revoked_at, key.revoked_reason = at, reason
        key.save(update_fields=["revoked_at", "revoked_reason"])
        record(key, "api_key.revoked", actor, **({"reason": reason} if reason else {}))
        announce(key, "api_key.revoked", at, reason=reason)
    return key


def record(key: ApiKey, act: str, actor: Actor, **facts: object) -> None:
    """One audit entry about ``key``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=key.organization_id,
        subject_kind="api_key",
        subject_id=key.id,
        facts={"name": key.name, **facts},
    )


def announce(key: ApiKey, event: str, at: datetime, **facts: object) -> None:
    """Tell the organization's webhooks of something that happened to ``key``."""
    send_event(
        organization_id=key.organization_id,
        type=event,
        data={"id": str(key.id), "name": key.name, "mode": key.mode, **facts},
        at=at,
    )
