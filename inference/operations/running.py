"""One attempt at one job, from lease to end, around any engine."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.utils.timezone import now

from governance.kernel import log_context, tracing
from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.queries.lineage import ancestors
from inference.engine.attempts import Engine, EngineLost, Outcome
from inference.engine.protocol import (
    AdapterUse,
    GenerateCommand,
    Refused,
    Released,
    StyleUse,
)
from inference.models import Generation
from inference.operations.expanding import expand_if_wanted
from inference.operations.finishing import (
    Refusal,
    deliver,
    give_back,
    refuse,
    stop_cancelled,
)
from inference.operations.leases import Lease, LeaseLost
from inference.operations.progress import Progress
from inference.operations.storage import StoredImage, store_image
from inference.queries.adapters import revoked_among
from inference.queries.references import deleted_among
from moderation.operations.known_pictures import KnownPicture, screen_known
from moderation.operations.release import record_image_decisions

logger = logging.getLogger(__name__)

STUCK_AFTER_S = 60.0
TURN_POLL_S = 0.2


def run_attempt(
    *,
    lease: Lease,
    engine: Engine,
    actor: Actor,
    clock: Callable[[], datetime] = now,
    may_begin: Callable[[Lease], bool] = lambda _lease: True,
) -> str:
    """Draw, store, deliver or refuse; returns how it ended: a state, ``lost``, ``requeued`` or ``unstored``.

    ``may_begin`` is asked until it says yes; the lease is kept meanwhile.

    Safe to lose at any line: until the delivering commit nothing is charged and nothing can be
    downloaded, after it nothing is left to do.
    """
    generation = Generation.objects.get(id=lease.generation_id)
    log_context.begin(
        request_id=generation.request_id,
        organization=str(lease.organization_id),
        generation=str(lease.generation_id),
    )
    log_context.conceal(generation.prompt)
    if generation.started_at and not lease.is_retry:
        tracing.past(
            "queue.wait",
            begun=generation.created_at,
            ended=generation.started_at,
            parent=generation.traceparent,
        )
    with tracing.span(
        "attempt",
        parent=generation.traceparent,
        generation=str(lease.generation_id),
        attempt=lease.attempt,
    ) as span:
        ended = attempted(generation, lease, engine, actor, clock, may_begin)
        span.tell(outcome=ended)
    return ended


def attempted(
    generation: Generation,
    lease: Lease,
    engine: Engine,
    actor: Actor,
    clock: Callable[[], datetime],
    may_begin: Callable[[Lease], bool],
) -> str:
    """The steps of ``run_attempt``; returns how it ended."""
    progress = Progress(lease, generation.deadline_at)
    try:
        made = make(generation, lease, engine, actor, clock, may_begin, progress)
        if isinstance(made, Refusal):
            return settle_refused(lease, made, actor, clock())
        return settle(lease, made, actor, clock())
    except EngineLost as error:
        logger.warning("generation %s: %s", lease.generation_id, error)
        return settle_lost(lease, error, actor, clock())
    except LeaseLost as error:
        logger.warning("attempt %s dropped: %s", lease.attempt, error)
        return "lost"
    except OSError as error:
        return settle_unstored(lease, error, actor, clock())


def make(
    generation: Generation,
    lease: Lease,
    engine: Engine,
    actor: Actor,
    clock: Callable[[], datetime],
    may_begin: Callable[[Lease], bool],
    progress: Progress,
) -> Outcome | Refusal:
    """What the engine made, or why the job ends unmade. Raises EngineLost and LeaseLost."""
    missing = missing_part(generation)
    if missing is not None:
        return missing
    while not may_begin(lease) and not progress.should_cancel():
        time.sleep(TURN_POLL_S)
    refusal = expand_if_wanted(
        generation=generation, lease=lease, engine=engine, actor=actor, clock=clock
    )
    if refusal is not None:
        return refusal
    outcome = engine.generate(
        command_of(generation, lease),
        on_step=progress.on_step,
        should_cancel=progress.should_cancel,
        stuck_after_s=STUCK_AFTER_S,
        on_preview=progress.on_preview,
    )
    return TOO_LATE if outcome.cancelled and progress.is_late else outcome


def missing_part(generation: Generation) -> Refusal | None:
    """Why a job cannot be made any more: an adapter or a reference that was taken away."""
    if revoked_among([UUID(each["id"]) for each in generation.adapters]):
        return REVOKED_ADAPTER
    if deleted_among([UUID(each["id"]) for each in generation.style_references]):
        return DELETED_REFERENCE
    return None


def settle(lease: Lease, outcome: Outcome, actor: Actor, at: datetime) -> str:
    """Write how the attempt ended. Raises LeaseLost."""
    keep_preview_verdicts(lease, outcome, actor, at)
    if outcome.cancelled:
        stop_cancelled(lease=lease, actor=actor, at=at)
        return "cancelled"
    refusals = [as_refusal(refused) for refused in outcome.refused]
    images: list[StoredImage] = []
    with tracing.span("store", images=len(outcome.released)):
        for released in outcome.released:
            try:
                images.append(keep(lease, released))
            except KnownPicture as known:
                refusals.append(
                    Refusal(released.index, known.code, str(known), known.facts, known.verdicts)
                )
    if not images:
        refuse(lease=lease, refusals=refusals or [NOTHING_MADE], actor=actor, at=at)
        return "refused"
    with tracing.span("capture", images=len(images)):
        deliver(lease=lease, images=images, refusals=refusals, actor=actor, at=at)
    return "succeeded"


def keep(lease: Lease, released: Released) -> StoredImage:
    """Store one released image that no hash bank knows. Raises KnownPicture and ReceiptInvalid."""
    judged = screen_known(
        data=released.data, sha256=sha256_hex(released.data), verdicts=released.verdicts
    )
    return store_image(
        organization_id=lease.organization_id,
        job_id=lease.generation_id,
        attempt=lease.attempt,
        image=replace(released, verdicts=judged),
    )


def keep_preview_verdicts(lease: Lease, outcome: Outcome, actor: Actor, at: datetime) -> None:
    """What was shown on the way is in the decisions log, however the job ends."""
    if outcome.preview_verdicts:
        record_image_decisions(
            verdicts=outcome.preview_verdicts,
            job_id=lease.generation_id,
            organization_id=lease.organization_id,
            actor=actor,
            at=at,
        )


NOTHING_MADE = Refusal(None, "engine_error", "The engine made no image.", {}, ())


REVOKED_ADAPTER = Refusal(
    None,
    "adapter_revoked",
    "An adapter of this job was revoked or deleted before it started. Nothing was charged.",
    {},
    (),
)
DELETED_REFERENCE = Refusal(
    None,
    "reference_deleted",
    "A style reference of this job was deleted before it started. Nothing was charged.",
    {},
    (),
)
TOO_LATE = Refusal(
    None,
    "deadline_exceeded",
    "The deadline passed before it was made. Nothing was charged.",
    {},
    (),
)


def settle_refused(lease: Lease, why: Refusal, actor: Actor, at: datetime) -> str:
    """The job ends without images and without a charge, unless somebody else has it by now."""
    try:
        refuse(lease=lease, refusals=[why], actor=actor, at=at)
    except LeaseLost:
        return "lost"
    return "refused"


def settle_lost(lease: Lease, lost: EngineLost, actor: Actor, at: datetime) -> str:
    """The engine died: back to the queue, unless somebody else has the job by now.

    A job that had not been begun is not to blame, and its attempt does not count.
    """
    try:
        give_back(lease=lease, reason=str(lost), actor=actor, at=at, counts=lost.begun)
    except LeaseLost:
        return "lost"
    return "requeued"


def settle_unstored(lease: Lease, error: OSError, actor: Actor, at: datetime) -> str:
    """The blob store is full or away: back to the queue. No job is to blame, so none loses an attempt."""
    logger.error("generation %s could not be stored: %s", lease.generation_id, error)
    settled = settle_lost(lease, EngineLost("could not be stored", begun=False), actor, at)
    return "unstored" if settled == "requeued" else settled


def command_of(generation: Generation, lease: Lease) -> GenerateCommand:
    """The engine's order for this attempt."""
    return GenerateCommand(
        job_id=str(generation.id),
        attempt=lease.attempt,
        prompt=generation.revised_prompt or generation.prompt,
        prompt_receipt=generation.prompt_receipt,
        width=generation.width,
        height=generation.height,
        steps=generation.steps,
        guidance=generation.guidance_milli / 1000,
        seed=generation.seed,
        images=generation.images,
        output_format=generation.output_format,
        adapters=tuple(AdapterUse(**each) for each in generation.adapters),
        style_references=tuple(StyleUse(**each) for each in generation.style_references),
        style_variation=generation.style_variation_milli / 1000,
        output_compression=generation.output_compression,
        partial_images=generation.partial_images,
        test_mode=generation.test_mode,
        alone=lease.is_retry,
        request_id=generation.request_id,
        organization_id=str(lease.organization_id),
        traceparent=tracing.traceparent(),
        weights=[
            {"name": part.slug, "kind": part.kind, "sha256": part.weights_sha256}
            for part in (generation.release, *ancestors(generation.release))
        ],
    )


def as_refusal(refused: Refused) -> Refusal:
    """The protocol's refusal in the words of the operations."""
    return Refusal(
        refused.index, refused.code, refused.detail, refused.facts, tuple(refused.verdicts)
    )


def worker_actor(name: str) -> Actor:
    """The engine's host as an actor of the audit log."""
    return Actor(kind="worker", id=name, label="engine")
