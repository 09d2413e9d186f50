"""Upward knowledge: apps register here in ``AppConfig.ready()`` what governance shows for them.

Governance prints the portal's navigation, the health page and the report without importing the
apps that fill them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.report_parts import ReportScope, ReportSection

T = TypeVar("T")


@dataclass(frozen=True)
class HealthCheck:
    """One line of /readyz. ``probe`` returns a detail for people and raises when not healthy."""

    name: str
    probe: Callable[[], str]
    required: bool = True


@dataclass(frozen=True)
class NavigationItem:
    """One entry of the portal's left rail.

    ``url_name`` takes the organization's slug if ``per_organization``.
    """

    label: str
    url_name: str
    icon: str
    order: int
    roles: frozenset[str] = field(default_factory=frozenset)
    per_organization: bool = True


@dataclass(frozen=True)
class OperatorTile:
    """One figure of the operator's home, with the page that holds its evidence."""

    label: str
    value: str
    unit: str = ""
    about: str = ""
    url_name: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Gauge:
    """One figure for Prometheus; ``labels`` never name a tenant or a person."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counter:
    """A figure that only grows, or begins anew at 0; its name ends in ``_total``."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Histogram:
    """How many values were at most each of ``buckets`` (the last is infinity), and their sum."""

    name: str
    about: str
    buckets: Mapping[str, float]
    total: float
    labels: Mapping[str, str] = field(default_factory=dict)


Metric = Gauge | Counter | Histogram


@dataclass(frozen=True)
class Finding:
    """One answer of the portal's search: where it leads, and under which heading it stands."""

    group: str
    label: str
    url: str
    icon: str
    detail: str = ""


@dataclass(frozen=True)
class KeySpending:
    """What a key may spend in a period and has spent in it, µUSD."""

    limit: int
    spent: int
    period: str


class KeyBudgets(Protocol):
    """How billing tells and sets the budget of an API key."""

    def spending(self, organization_id: UUID, at: datetime) -> dict[UUID, KeySpending]:
        """The keys that have a budget."""

    def set_limit(
        self, organization_id: UUID, key_id: UUID, limit: int | None, actor: Actor, at: datetime
    ) -> None:
        """The key's limit a month in µUSD; None takes it away."""


@dataclass
class Registry(Generic[T]):
    """An ordered list of registered things, each name at most once."""

    what: str
    items: dict[str, T] = field(default_factory=dict)

    def register(self, name: str, item: T) -> None:
        """Add ``item``; a second registration of one name is a programming error."""
        assert name not in self.items, f"{self.what} {name!r} is registered twice"
        self.items[name] = item

    def all(self) -> list[T]:
        """Everything registered, in the order of registration."""
        return list(self.items.values())


health_checks: Registry[HealthCheck] = Registry("health check")
# Modules whose EXAMINATIONS `manage.py doctor` goes through, in this order; the database comes before
# what needs it. By name: no other process needs what they import.
examinations: Registry[str] = Registry("examinations")
# What `manage.py metrics` tells besides the health of each part: (at) gives metrics, in fast queries.
gauges: Registry[Callable[[datetime], Sequence[Metric]]] = Registry("gauges")
navigation: Registry[NavigationItem] = Registry("navigation item")
# What the operator's home shows besides the licence: (at) gives tiles, in a few fast queries.
operator_tiles: Registry[Callable[[datetime], list[OperatorTile]]] = Registry("operator tiles")
# What the portal's search finds inside one organization: (organization_id, slug, words), few rows.
search_sources: Registry[Callable[[UUID, str, str], list[Finding]]] = Registry("search source")
# What `manage.py seed_demo` asks of the apps above: (organization_id, at), safe to repeat.
demo_seeders: Registry[Callable[[UUID, datetime], None]] = Registry("demo seeder")
# What happens to queued work when a release is revoked: (release_id, at) gives the number voided.
# Called inside the transaction of the revocation.
revocation_hooks: Registry[Callable[[UUID, datetime], int]] = Registry("revocation hook")
# Units of a call for the rate limit, by the scope that it needs: (body) gives the units.
call_weights: Registry[Callable[[Mapping[str, Any]], int]] = Registry("call weight")
# At most one: the app that keeps money.
key_budgets: Registry[KeyBudgets] = Registry("key budgets")
# Chapters of the compliance report. Only what was so at the end of the period, so that the same
# report made again has the same bytes.
report_sections: Registry[Callable[[ReportScope], list[ReportSection]]] = Registry("report section")
# Every type of event that webhooks carry, with what it means.
webhook_event_types: Registry[str] = Registry("webhook event type")
# Called after a commit that put something into the outbox of webhooks; never raises.
outbox_bells: Registry[Callable[[], None]] = Registry("outbox bell")
# What an app forgets when a person is erased: (user_id, at) gives the number of rows changed.
# Called inside the transaction of the erasure, before their name and address are taken out everywhere.
erasure_hooks: Registry[Callable[[UUID, datetime], int]] = Registry("erasure hook")
# The same records in the shapes that laws ask for: files of the report's bundle by name.
report_projections: Registry[Callable[[ReportScope], dict[str, bytes]]] = Registry("projection")
