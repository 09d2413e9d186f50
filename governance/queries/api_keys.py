"""Reading API keys for people: never the secret, which nobody can read."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max, Sum

from governance.kernel.errors import NotFound
from governance.models import ApiKey, KeyUse, Project, RetiringSecret

LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True)
class KeyUser:
    """One client at one address: calls in the last seven days, and the last of them."""

    ip: str
    client: str
    calls: int
    last_at: datetime


@dataclass(frozen=True)
class KeyUsers:
    """What would stop with the key: everybody who used it in the last seven days, busiest first."""

    users: tuple[KeyUser, ...]
    days: tuple[tuple[date, int], ...]

    @property
    def calls(self) -> int:
        """All calls in the seven days."""
        return sum(user.calls for user in self.users)

    @property
    def addresses(self) -> int:
        """How many addresses they came from."""
        return len({user.ip for user in self.users})

    @property
    def clients(self) -> int:
        """How many kinds of client."""
        return len({user.client for user in self.users})


def users_of_key(key_id: UUID, *, at: datetime) -> KeyUsers:
    """Who used the key in the last seven days, the present one included. Two queries."""
    first = (at - LOOK_BACK).date() + timedelta(days=1)
    uses = KeyUse.objects.filter(key_id=key_id, day__gte=first)
    rows = uses.values("ip", "client").annotate(all=Sum("calls"), last=Max("last_at"))
    per_day = dict(uses.values_list("day").annotate(Sum("calls")))
    days = [first + timedelta(days=number) for number in range(LOOK_BACK.days)]
    return KeyUsers(
        users=tuple(
            KeyUser(row["ip"], row["client"], row["all"], row["last"])
            for row in rows.order_by("-all", "ip", "client")
        ),
        days=tuple((day, int(per_day.get(day, 0))) for day in days),
    )


def calls_by_key(organization_id: UUID, *, at: datetime) -> dict[UUID, int]:
    """Calls of each key in the last seven days; keys without any are absent. One query."""
    first = (at - LOOK_BACK).date() + timedelta(days=1)
    rows = KeyUse.objects.filter(key__organization_id=organization_id, day__gte=first)
    return dict(rows.values_list("key_id").annotate(Sum("calls")))


def secrets_in_grace(key_id: UUID, *, at: datetime) -> list[RetiringSecret]:
    """Old secrets of the key that still work, the one that ends first in front."""
    rows = RetiringSecret.objects.filter(key_id=key_id, retires_at__gt=at)
    return list(rows.order_by("retires_at"))


def keys_under_each_pepper() -> dict[str, int]:
    """Live keys by the mark of the pepper that they were kept under; empty: from before marks."""
    rows = ApiKey.objects.filter(revoked_at=None).values_list("pepper_mark")
    return dict(rows.annotate(Count("id")).order_by())


def keys_of(organization_id: UUID) -> list[ApiKey]:
    """The organization's keys: those in use first, then by age, newest first. One query."""
    rows = ApiKey.objects.filter(organization_id=organization_id).select_related(
        "project", "created_by"
    )
    return sorted(rows.order_by("-created_at"), key=lambda key: key.revoked_at is not None)


def key_of(organization_id: UUID, key_id: UUID) -> ApiKey:
    """One key of this organization. Raises NotFound, also for another tenant's."""
    found = (
        ApiKey.objects.filter(organization_id=organization_id, id=key_id)
        .select_related("project")
        .first()
    )
    if found is None:
        raise NotFound("There is no such key.")
    return found


def key_state(key: ApiKey, *, at: datetime) -> str:
    """What a caller with this key meets at ``at``: active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= at else "active"


def projects_of(organization_id: UUID) -> list[Project]:
    """The organization's projects, oldest first: the first one is the default."""
    return list(Project.objects.filter(organization_id=organization_id).order_by("created_at"))
