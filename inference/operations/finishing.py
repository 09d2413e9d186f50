"""The end of a job: delivered and charged, or neither; and back to the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.operations.holds import capture_hold, void_hold
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from inference.models import Artifact, Generation, State
from inference.operations.announcing import announce_ended
from inference.operations.bell import ring
from inference.operations.leases import MAX_ATTEMPTS, Lease, holder_of
from inference.operations.storage import StoredImage
from inference.operations.submission import record
from moderation.operations.release import record_image_decisions
from moderation.operations.released_marks import record_released_images

BLOCKING_CODES = frozenset({"moderation_blocked", "moderation_review"})


class NotCancellable(DomainError):
    """The generation is already final."""

    code = "not_cancellable"
    title = "The generation has already ended"
    status = 409


@dataclass(frozen=True)
class Refusal:
    """Why one image, or the whole job (index None), was not delivered."""

    index: int | None
    code: str
    detail: str
    facts: dict[str, Any]
    verdicts: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """For ``error_facts`` and replies."""
        return {"index": self.index, "code": self.code, "detail": self.detail, **self.facts}


@transaction.atomic
def deliver(
    *,
    lease: Lease,
    images: Sequence[StoredImage],
    refusals: Sequence[Refusal],
    actor: Actor,
    at: datetime,
) -> int:
    """Capture, artifacts, decisions, state and audit in one transaction; returns the µUSD charged.

    Charges the delivered images only. Raises LeaseLost: then nothing is written and the stored
    files of this attempt are left for the collector.
    """
    assert images, "a delivery has at least one image"
    generation = holder_of(lease)
    charged = 0
    if generation.hold_id is not None:
        charged = capture_hold(
            hold_id=generation.hold_id,
            delivered_images=len(images),
            lease_epoch=lease.epoch,
            at=at,
        ).amount
    Artifact.objects.bulk_create(artifact_row(generation, image, at) for image in images)
    record_released_images(
        receipts=[image.receipt for image in images],
        organization_id=generation.organization_id,
        at=at,
    )
    keep_verdicts(generation, images, refusals, actor, at)
    generation.charged_microusd = charged
    if refusals:
        generation.error_facts = {"withheld": [refusal.as_json() for refusal in refusals]}
    finish(
        generation,
        State.SUCCEEDED,
        actor,
        at,
        delivered=len(images),
        withheld=len(refusals),
        charged_microusd=charged,
        images=[evidence_of(image) for image in images],
    )
    return charged


def evidence_of(image: StoredImage) -> dict[str, Any]:
    """What the audit log says of a delivered image: its bytes, its verdict, its marks."""
    receipt = image.receipt
    marks = receipt.get("provenance") or {}
    return {
        "index": image.index,
        "sha256": image.sha256,
        "decision": receipt.get("decision"),
        "policy": receipt.get("policy", {}).get("hash"),
        "provenance": [name for name in ("credentials", "watermark") if marks.get(name)],
    }


@transaction.atomic
def refuse(*, lease: Lease, refusals: Sequence[Refusal], actor: Actor, at: datetime) -> None:
    """No image may be delivered: void the hold, keep the reasons. Raises LeaseLost."""
    generation = holder_of(lease)
    first = next((r for r in refusals if r.code in BLOCKING_CODES), refusals[0])
    state = State.BLOCKED if first.code in BLOCKING_CODES else State.FAILED
    keep_verdicts(generation, (), refusals, actor, at)
    close_unpaid(
        generation,
        state,
        code=first.code,
        detail=first.detail,
        facts=first.facts,
        actor=actor,
        at=at,
    )


@transaction.atomic
def give_back(*, lease: Lease, reason: str, actor: Actor, at: datetime, counts: bool = True) -> str:
    """The attempt ended without an answer: queue the job again, or fail it after three attempts.

    ``counts``: whether the job may have been the cause; an innocent one loses no attempt. Returns
    the new state. Raises LeaseLost.
    """
    generation = holder_of(lease)
    if not counts:
        generation.attempts -= 1
        generation.save(update_fields=["attempts"])
    return put_back(generation, reason, actor, at)


def put_back(generation: Generation, reason: str, actor: Actor, at: datetime) -> str:
    """Queue a running, locked ``generation`` again; a job that ended three engines is failed."""
    if generation.attempts >= MAX_ATTEMPTS:
        close_unpaid(
            generation,
            State.FAILED,
            code="engine_failed",
            detail=f"The engine ended {MAX_ATTEMPTS} times on this job. It was not charged.",
            facts={"last_reason": reason},
            actor=actor,
            at=at,
        )
    else:
        generation.state = State.QUEUED
        generation.lease_until = None
        generation.step = 0
        generation.save(update_fields=["state", "lease_until", "step"])
        record(generation, actor, "generation.requeued", reason=reason)
    return generation.state


@transaction.atomic
def cancel_generation(
    *, organization_id: UUID, generation_id: UUID, actor: Actor, at: datetime
) -> Generation:
    """Cancel a queued job at once, ask the engine to stop a running one within one step.

    Cancelled jobs cost nothing. Asked again, the first request stands. Raises NotCancellable.
    """
    generation = Generation.objects.select_for_update().get(
        id=generation_id, organization_id=organization_id
    )
    if generation.state == State.QUEUED:
        close_unpaid(
            generation,
            State.CANCELLED,
            code="cancelled",
            detail="Cancelled before it started. Nothing was charged.",
            facts={},
            actor=actor,
            at=at,
        )
    elif generation.state == State.RUNNING:
        if generation.cancel_requested_at is None:
            generation.cancel_requested_at = at
            generation.save(update_fields=["cancel_requested_at"])
            record(generation, actor, "generation.cancel_requested")
    elif generation.state != State.CANCELLED:
        raise NotCancellable(f"The generation is {generation.state} and cannot be cancelled.")
    return generation


@transaction.atomic
def stop_cancelled(*, lease: Lease, actor: Actor, at: datetime) -> None:
    """The engine has stopped on request: void the hold. Raises LeaseLost."""
    close_unpaid(
        holder_of(lease),
        State.CANCELLED,
        code="cancelled",
        detail="Cancelled while it was drawn. Nothing was charged.",
        facts={},
        actor=actor,
        at=at,
    )


def close_unpaid(
    generation: Generation,
    state: State,
    *,
    code: str,
    detail: str,
    facts: dict[str, Any],
    actor: Actor,
    at: datetime,
) -> None:
    """Void the hold and end a locked ``generation`` with nothing charged."""
    if generation.hold_id is not None:
        void_hold(hold_id=generation.hold_id, reason=code, at=at)
    generation.error_code = code
    generation.error_detail = detail
    generation.error_facts = facts
    finish(generation, state, actor, at, code=code)


def finish(generation: Generation, state: State, actor: Actor, at: datetime, **facts: Any) -> None:
    """Write the final state and its audit entry; tell those who wait after the commit."""
    generation.state = state
    generation.finished_at = at
    generation.lease_until = None
    generation.save()
    record(generation, actor, f"generation.{state.value}", **facts)
    announce_ended(generation, at)
    generation_id = generation.id
    transaction.on_commit(lambda: ring(generation_id, "final", state=state.value))


def artifact_row(generation: Generation, image: StoredImage, at: datetime) -> Artifact:
    """The row of one stored image."""
    return Artifact(
        generation=generation,
        organization_id=generation.organization_id,
        index=image.index,
        attempt=image.attempt,
        sha256=image.sha256,
        size_bytes=image.size_bytes,
        media_type=image.media_type,
        width=image.width,
        height=image.height,
        blob=image.blob,
        receipt=image.receipt,
        created_at=at,
    )


def keep_verdicts(
    generation: Generation,
    images: Sequence[StoredImage],
    refusals: Sequence[Refusal],
    actor: Actor,
    at: datetime,
) -> None:
    """Append the output gate's verdicts to the decisions log."""
    verdicts = [verdict for image in images for verdict in image.verdicts]
    verdicts += [verdict for refusal in refusals for verdict in refusal.verdicts]
    if verdicts:
        record_image_decisions(
            verdicts=verdicts,
            job_id=generation.id,
            organization_id=generation.organization_id,
            actor=actor,
            at=at,
        )
