"""The price book: draft, simulate on what was really drawn, publish for a time to come."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from billing.kernel.pricing import PriceNotFound, price, require_price_list
from billing.models import PriceVersion
from governance.kernel.actors import Actor
from governance.kernel.canonical import fingerprint
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.operations import audit

SIMULATED = timedelta(days=30)
# A month of millions of jobs is a few hundred different ones.
DELIVERED = """
SELECT (quote -> 'priced')::text, captured / per_image, count(*), sum(captured)::bigint
FROM billing_hold
WHERE state = 'captured' AND captured > 0 AND resolved_at >= %s AND resolved_at < %s
GROUP BY 1, 2
"""


class AlreadyPublished(DomainError):
    """A published price list never changes; draft another one."""

    code = "prices_published"
    title = "The price list is published"
    status = 409


@dataclass
class Simulation:
    """What the last 30 days would have cost; µUSD, per model as well. ``unpriced`` found no price."""

    jobs: int = 0
    charged: int = 0
    would_charge: int = 0
    unpriced: int = 0
    models: dict[str, tuple[int, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the audit log and the operator."""
        return {
            "jobs": self.jobs,
            "charged_microusd": self.charged,
            "would_charge_microusd": self.would_charge,
            "unpriced": self.unpriced,
            "models": {name: list(pair) for name, pair in sorted(self.models.items())},
        }


@transaction.atomic
def draft_prices(
    *, label: str, effective_from: datetime, body: dict[str, Any], actor: Actor, at: datetime
) -> PriceVersion:
    """A list that nobody is charged by yet; a draft for the same moment is replaced.

    Raises InvalidPriceList, InvalidRequest.
    """
    require_price_list(body)
    if effective_from <= at:
        raise InvalidRequest("Prices begin in the future.", param="effective_from")
    known = PriceVersion.objects.select_for_update().filter(effective_from=effective_from).first()
    if known is not None and known.published_at is not None:
        raise InvalidRequest("Another list begins at that moment.", param="effective_from")
    version = known or PriceVersion(effective_from=effective_from)
    version.label, version.body, version.sha256 = label, body, fingerprint(body)
    version.save()
    record(version, "prices.drafted", actor)
    return version


@transaction.atomic
def discard_prices(*, version_id: UUID, actor: Actor) -> None:
    """Throw a draft away. Raises NotFound, AlreadyPublished."""
    version = draft_for_update(version_id)
    record(version, "prices.discarded", actor)
    version.delete()


def draft_for_update(version_id: UUID) -> PriceVersion:
    """The locked draft. Raises NotFound, AlreadyPublished."""
    version = PriceVersion.objects.select_for_update().filter(id=version_id).first()
    if version is None:
        raise NotFound("There is no such price list.")
    if version.published_at is not None:
        raise AlreadyPublished("This list is published. Draft another one.")
    return version


def simulate_prices(*, body: dict[str, Any], at: datetime) -> Simulation:
    """Price what was delivered in the 30 days before ``at`` with ``body``. Writes nothing."""
    require_price_list(body)
    simulation = Simulation()
    for priced, images, jobs, captured in delivered_between(at - SIMULATED, at):
        would = priced_anew(body, priced, images)
        if would is None:
            simulation.unpriced += jobs
            continue
        simulation.jobs += jobs
        simulation.charged += captured
        simulation.would_charge += would * jobs
        name = priced["release"]
        was, wanted = simulation.models.get(name, (0, 0))
        simulation.models[name] = (was + captured, wanted + would * jobs)
    return simulation


def delivered_between(
    since: datetime, until: datetime
) -> Iterator[tuple[dict[str, Any], int, int, int]]:
    """What was priced, images of each job, jobs, µUSD charged for them; equal jobs as one row."""
    with connection.cursor() as cursor:
        cursor.execute(DELIVERED, [since, until])
        for priced, images, jobs, captured in cursor.fetchall():
            yield json.loads(priced or "{}"), images, jobs, captured


def priced_anew(body: dict[str, Any], priced: dict[str, Any], images: int) -> int | None:
    """µUSD of an old job by a new list; None where the list or the old quote does not say."""
    if "training_steps" in priced or not priced:
        return None
    try:
        return price(body, price_version_id=UUID(int=0), images=images, **priced).amount
    except PriceNotFound:
        return None


@transaction.atomic
def publish_prices(*, version_id: UUID, actor: Actor, at: datetime) -> Simulation:
    """Make a draft binding from its date on; jobs that run keep their quotes.

    Simulated first, and the outcome is in the audit log. Raises NotFound, AlreadyPublished,
    InvalidRequest.
    """
    version = draft_for_update(version_id)
    if version.effective_from <= at:
        raise InvalidRequest(
            "Its date has passed; draft it for a later one.", param="effective_from"
        )
    simulation = simulate_prices(body=version.body, at=at)
    version.published_at, version.sha256 = at, fingerprint(version.body)
    version.save(update_fields=["published_at", "sha256"])
    record(version, "prices.published", actor, simulation=simulation.as_json())
    return simulation


def record(version: PriceVersion, act: str, actor: Actor, **facts: object) -> None:
    """One audit entry about a price list."""
    audit.record(
        act=act,
        actor=actor,
        subject_kind="price_version",
        subject_id=version.id,
        facts={
            "label": version.label,
            "effective_from": version.effective_from.isoformat(),
            "sha256": version.sha256,
            **facts,
        },
    )
