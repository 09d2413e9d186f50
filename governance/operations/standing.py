"""Deciding standings anew and keeping what was decided: one row to read, history for ever."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.licensing.standing import Standing
from governance.models import KillSwitch, Organization, OrganizationStanding, StandingChange
from governance.operations import audit
from governance.queries.standing import standings
from governance.queries.standing_json import reason_to_json
from governance.queries.terms import next_terms_at


@transaction.atomic
def refresh_standings(
    *, organization_ids: Iterable[UUID] | None, at: datetime, actor: Actor = SYSTEM
) -> dict[UUID, Standing]:
    """Decide these standings (None: all) from the facts and keep the result. Idempotent.

    A changed status or answer is a line of history and an audit entry.
    """
    ids = None if organization_ids is None else sorted(set(organization_ids))
    epochs, host_epoch = _locked_epochs(ids)
    decided = standings(at, organization_ids=ids)
    known = _last_changes(list(decided))
    coming = next_terms_at(at)
    rows, changes = [], []
    for organization_id, standing in decided.items():
        epoch = epochs.get(organization_id, -1)
        rows.append(_row(organization_id, standing, coming, (epoch, host_epoch)))
        before = known.get(organization_id)
        if before != (standing.status, standing.may_generate):
            changes.append(_change(organization_id, standing, before[0] if before else ""))
    _upsert(rows)
    StandingChange.objects.bulk_create(changes, batch_size=1000)
    for change in changes:
        if change.before:
            _audit(change, actor)
    return decided


def _locked_epochs(ids: list[UUID] | None) -> tuple[dict[UUID, int], int]:
    """The epochs, read before the facts; the lock keeps the history free of doubles."""
    rows = Organization.objects.select_for_update(no_key=True).order_by("id")
    if ids is not None:
        rows = rows.filter(id__in=ids)
    epochs = dict(rows.values_list("id", "facts_epoch"))
    return epochs, KillSwitch.objects.values_list("epoch", flat=True).get(id=1)


def _last_changes(ids: list[UUID]) -> dict[UUID, tuple[str, bool]]:
    """What was last decided, from the history."""
    rows = (
        StandingChange.objects.filter(organization_id__in=ids)
        .order_by("organization_id", "-at", "-id")
        .distinct("organization_id")
    )
    return {row.organization_id: (row.after, row.may_generate) for row in rows}


def _row(
    organization_id: UUID, standing: Standing, coming: datetime | None, epochs: tuple[int, int]
) -> OrganizationStanding:
    moments = [m for m in (standing.changes_at, coming) if m is not None]
    return OrganizationStanding(
        organization_id=organization_id,
        status=standing.status,
        may_generate=standing.may_generate,
        reasons=[reason_to_json(reason) for reason in standing.reasons],
        grace_until=standing.grace_until,
        changes_at=min(moments, default=None),
        terms_version_id=UUID(standing.terms_version),
        seats_used=standing.seats.used,
        seats_limit=standing.seats.limit,
        decided_at=standing.decided_at,
        facts_epoch=epochs[0],
        host_epoch=epochs[1],
    )


def _upsert(rows: list[OrganizationStanding]) -> None:
    OrganizationStanding.objects.bulk_create(
        rows,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["organization"],
        update_fields=[
            "status",
            "may_generate",
            "reasons",
            "grace_until",
            "changes_at",
            "terms_version",
            "seats_used",
            "seats_limit",
            "decided_at",
            "facts_epoch",
            "host_epoch",
        ],
    )


def _change(organization_id: UUID, standing: Standing, before: str) -> StandingChange:
    return StandingChange(
        organization_id=organization_id,
        at=standing.decided_at,
        before=before,
        after=standing.status,
        may_generate=standing.may_generate,
        reasons=[reason_to_json(reason) for reason in standing.reasons],
        terms_version_id=UUID(standing.terms_version),
        seats_used=standing.seats.used,
    )


def _audit(change: StandingChange, actor: Actor) -> None:
    audit.record(
        act="standing.changed",
        actor=actor,
        organization_id=change.organization_id,
        subject_kind="organization",
        subject_id=change.organization_id,
        facts={
            "before": change.before,
            "after": change.after,
            "may_generate": change.may_generate,
            "reasons": [reason["rule"] for reason in change.reasons],
            "terms_version": str(change.terms_version_id),
        },
    )
