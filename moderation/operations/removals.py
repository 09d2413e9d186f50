"""Taking delivered images away, within 48 hours of the request."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.registry import Registry
from governance.operations import audit
from moderation.models import HashEntry, Removal, UserReport
from moderation.operations.cases import CHILD_SAFETY_ITEM
from moderation.operations.known_pictures import look_of

CLOCK = timedelta(hours=48)

Eraser = Callable[[UUID, int, str, datetime], None]
# Who stores images registers here how one is taken away: (job, index, reason, at). Idempotent.
erasers: Registry[Eraser] = Registry("image eraser")


Reader = Callable[[UUID, int], bytes | None]
# Who stores images registers here how one is read: (job, index), None when it has no such image.
readers: Registry[Reader] = Registry("image reader")


Namer = Callable[[str], tuple[UUID, int] | None]
# Who gives images addresses registers here which image an address names: (address), also an expired one.
namers: Registry[Namer] = Registry("image namer")


class NothingErases(DomainError):
    """No part of the house has said how an image is taken away: a fault of the set-up."""

    code = "no_image_eraser"
    title = "Images cannot be removed here"
    status = 503


@transaction.atomic
def request_removal(
    *,
    job_id: UUID,
    index: int,
    sha256: str,
    organization_id: UUID,
    item: str,
    reason: str,
    actor: Actor,
    at: datetime,
    report: UserReport | None = None,
) -> Removal:
    """Start the 48-hour clock for one image. Asked again while it runs, the first clock stands."""
    removal, created = Removal.objects.get_or_create(
        job_id=job_id,
        index=index,
        state="open",
        defaults={
            "organization_id": organization_id,
            "sha256": sha256,
            "item": item,
            "reason": reason,
            "report": report,
            "requested_at": at,
            "due_at": at + CLOCK,
        },
    )
    if created:
        _audit("removal.requested", removal, actor, due=removal.due_at.isoformat())
    return removal


@transaction.atomic
def remove_image(*, removal_id: UUID, actor: Actor, at: datetime) -> Removal:
    """Take the image away everywhere and remember its bytes and its look, so that it does not come back.

    Raises NotFound (no open removal of that id) and NothingErases.
    """
    removal = _open(removal_id)
    if not erasers.all():
        raise NothingErases("No image store is registered with moderation.")
    data = delivered_image(removal.job_id, removal.index)
    look = look_of(data) if data is not None else ""
    for erase in erasers.all():
        erase(removal.job_id, removal.index, removal.reason, at)
    HashEntry.objects.get_or_create(
        bank="removals",
        sha256=removal.sha256,
        pdq=look,
        defaults={"source": f"removal {removal.id}", "added_at": at, "added_by": actor.label},
    )
    return _close(removal, "removed", actor, at)


class TwoPeopleDecide(DomainError):
    """One person alone does not leave an image that is reported for child safety."""

    code = "two_people_decide"
    title = "Two people must decide this"
    status = 409


@transaction.atomic
def reject_removal(*, removal_id: UUID, reason: str, actor: Actor, at: datetime) -> Removal:
    """Leave the image: the request was wrong. Raises NotFound and TwoPeopleDecide."""
    removal = _open(removal_id)
    if removal.item == CHILD_SAFETY_ITEM:
        raise TwoPeopleDecide("Two people decide this in its case; until then the clock runs.")
    return _leave(removal, reason, actor, at)


def _leave(removal: Removal, reason: str, actor: Actor, at: datetime) -> Removal:
    removal.reason = f"{removal.reason}\nRejected: {reason}"
    return _close(removal, "rejected", actor, at)


def end_clock(
    *, job_id: UUID, index: int, by_two: bool, reason: str, actor: Actor, at: datetime
) -> None:
    """Reject the removal of this image whose clock runs, if one does: its report was found wrong.

    ``by_two``: two people found so. One alone ends no clock of child safety.
    """
    running = Removal.objects.select_for_update().filter(job_id=job_id, index=index, state="open")
    removal = running.first()
    if removal is not None and (by_two or removal.item != CHILD_SAFETY_ITEM):
        _leave(removal, reason, actor, at)


def delivered_image(job_id: UUID, index: int) -> bytes | None:
    """The file of a delivered image, None when it is gone or never was."""
    for read in readers.all():
        data = read(job_id, index)
        if data is not None:
            return data
    return None


def _open(removal_id: UUID) -> Removal:
    removal = Removal.objects.select_for_update().filter(id=removal_id, state="open").first()
    if removal is None:
        raise NotFound("There is no open removal of that id.")
    return removal


def _close(removal: Removal, state: str, actor: Actor, at: datetime) -> Removal:
    removal.state, removal.closed_at, removal.closed_by = state, at, actor.label or actor.id
    removal.save(update_fields=["state", "closed_at", "closed_by", "reason"])
    _audit(f"removal.{state}", removal, actor, late=str(at > removal.due_at))
    return removal


def _audit(act: str, removal: Removal, actor: Actor, **facts: str) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=removal.organization_id,
        subject_kind="removal",
        subject_id=removal.id,
        facts={"job": str(removal.job_id), "index": removal.index, "item": removal.item, **facts},
    )
