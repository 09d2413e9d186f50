"""The end of a training: in the registry and charged, or neither; and back to the queue."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction

from billing.operations.holds import capture_hold, void_hold
from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError, NotFound
from inference.engine.training_protocol import StoredState, TrainingRefused
from inference.models import Adapter, TrainingJob, TrainingState
from inference.operations.adapters import upload_adapter
from inference.operations.announcing import announce_training_ended
from inference.operations.bell import ring
from inference.operations.finishing import NotCancellable
from inference.operations.leases import MAX_ATTEMPTS
from inference.operations.training_leases import TrainingLease, holder_of_training
from inference.operations.training_orders import record


class AdapterChangesNothing(DomainError):
    """The trained adapter multiplies to zero; it is not registered and not charged."""

    code = "adapter_changes_nothing"
    title = "The trained adapter changes nothing"
    status = 422


class LastSampleWithheld(DomainError):
    """What the finished adapter draws did not pass the output gate; it is not registered."""

    code = "moderation_blocked"
    title = "What the adapter draws was refused by the content filter"
    status = 400


class TrainedFileInvalid(DomainError):
    """The trainer's file is gone or is not the one that it named."""

    code = "training_result_missing"
    title = "The trained adapter cannot be read"
    status = 500
    retryable = True


def register_trained(
    *, lease: TrainingLease, trained: StoredState, actor: Actor, at: datetime
) -> Adapter:
    """The trained adapter through the same door as an uploaded one; charged in its transaction.

    Charges the steps that were run. The adapter belongs to the organization alone, and may be used on
    Turbo from now on. Raises LeaseLost, AdapterChangesNothing, LastSampleWithheld, TrainedFileInvalid
    and what ``upload_adapter`` raises: nothing is registered or charged then.
    """
    job = TrainingJob.objects.select_related("release").get(id=lease.job_id)
    data = trained_file(trained)

    def complete(adapter: Adapter) -> None:
        succeed(lease, trained, adapter, actor, at)

    return upload_adapter(
        data=data,
        name=job.name,
        trigger=job.trigger,
        base_slug=job.release.slug,
        organization_id=job.organization_id,
        source="training",
        actor=actor,
        at=at,
        then=complete,
    )


def trained_file(trained: StoredState) -> bytes:
    """The file that the trainer stored. Raises TrainedFileInvalid."""
    try:
        with default_storage.open(trained.blob, "rb") as stream:
            data = bytes(stream.read())
    except OSError as error:
        raise TrainedFileInvalid("The trained adapter's file is gone.") from error
    if sha256_hex(data) != trained.sha256:
        raise TrainedFileInvalid("The trained adapter's file was changed.")
    return data


def succeed(
    lease: TrainingLease, trained: StoredState, adapter: Adapter, actor: Actor, at: datetime
) -> None:
    """Inside the adapter's transaction: capture, lineage, state, audit. Raises LeaseLost."""
    job = holder_of_training(lease)
    if adapter.changes_nothing:
        raise AdapterChangesNothing(
            "Training changed nothing. Raise the learning rate or the steps. Nothing was charged."
        )
    if not job.samples.filter(step=job.steps).exclude(blob="").exists():
        raise LastSampleWithheld(
            "The last sample of this adapter did not pass the content filter, so the adapter was not "
            "registered. Nothing was charged."
        )
    if job.hold_id is not None:
        job.charged_microusd = capture_hold(
            hold_id=job.hold_id,
            delivered_images=trained.step,
            lease_epoch=lease.epoch,
            at=at,
        ).amount
    job.adapter, job.step = adapter, trained.step
    finish(
        job,
        TrainingState.SUCCEEDED,
        actor,
        at,
        adapter=str(adapter.id),
        adapter_sha256=adapter.sha256,
        dataset_sha256=job.dataset_sha256,
        release=str(job.release_id),
        steps=trained.step,
        charged_microusd=job.charged_microusd,
    )


@transaction.atomic
def fail_training(
    *, lease: TrainingLease, refused: TrainingRefused, actor: Actor, at: datetime
) -> None:
    """It cannot be done: void the hold, keep the reason. Raises LeaseLost."""
    close_unpaid(
        holder_of_training(lease),
        TrainingState.FAILED,
        code=refused.code,
        detail=refused.detail,
        facts=refused.facts,
        actor=actor,
        at=at,
    )


@transaction.atomic
def give_back_training(
    *, lease: TrainingLease, reason: str, actor: Actor, at: datetime, counts: bool = True
) -> str:
    """The attempt ended without an answer: back to the queue, to go on from the last checkpoint.

    Fails it when three attempts (that count) in a row ended without a new checkpoint. Returns the new
    state. Raises LeaseLost.
    """
    return put_back(holder_of_training(lease), reason, actor, at, counts=counts)


def put_back(
    job: TrainingJob, reason: str, actor: Actor, at: datetime, *, counts: bool = True
) -> str:
    """Queue a running, locked ``job`` again, or fail it."""
    job.failures += counts
    if job.failures >= MAX_ATTEMPTS:
        close_unpaid(
            job,
            TrainingState.FAILED,
            code="engine_failed",
            detail=f"The engine ended {MAX_ATTEMPTS} times without getting further. Nothing was "
            "charged.",
            facts={"last_reason": reason},
            actor=actor,
            at=at,
        )
    else:
        job.state, job.lease_until = TrainingState.QUEUED, None
        job.save(update_fields=["state", "lease_until", "failures"])
        record(job, actor, "training.requeued", reason=reason, checkpoint=job.checkpoint_step)
    return job.state


@transaction.atomic
def cancel_training(
    *, organization_id: UUID, job_id: UUID, actor: Actor, at: datetime
) -> TrainingJob:
    """Cancel a queued training at once, a running one within a step. It costs nothing.

    Asked again, the first request stands. Raises NotFound and NotCancellable.
    """
    job = (
        TrainingJob.objects.select_for_update()
        .filter(id=job_id, organization_id=organization_id)
        .first()
    )
    if job is None:
        raise NotFound("There is no such training.")
    if job.state == TrainingState.QUEUED:
        end_cancelled(job, actor, at)
    elif job.state == TrainingState.RUNNING:
        if job.cancel_requested_at is None:
            job.cancel_requested_at = at
            job.save(update_fields=["cancel_requested_at"])
            record(job, actor, "training.cancel_requested")
    elif job.state != TrainingState.CANCELLED:
        raise NotCancellable(f"The training has {job.state} and cannot be cancelled.")
    return job


@transaction.atomic
def stop_cancelled_training(*, lease: TrainingLease, actor: Actor, at: datetime) -> None:
    """The trainer has stopped on request: void the hold. Raises LeaseLost."""
    end_cancelled(holder_of_training(lease), actor, at)


def end_cancelled(job: TrainingJob, actor: Actor, at: datetime) -> None:
    """A locked ``job`` ends cancelled."""
    close_unpaid(
        job,
        TrainingState.CANCELLED,
        code="cancelled",
        detail="Cancelled. Nothing was charged.",
        facts={},
        actor=actor,
        at=at,
    )


def close_unpaid(
    job: TrainingJob,
    state: TrainingState,
    *,
    code: str,
    detail: str,
    facts: dict[str, Any],
    actor: Actor,
    at: datetime,
) -> None:
    """Void the hold and end a locked ``job`` with nothing charged."""
    if job.hold_id is not None:
        void_hold(hold_id=job.hold_id, reason=code, at=at)
    job.error_code, job.error_detail, job.error_facts = code, detail, facts
    finish(job, state, actor, at, code=code)


def finish(
    job: TrainingJob, state: TrainingState, actor: Actor, at: datetime, **facts: Any
) -> None:
    """Write the final state, its audit entry and its event; who waits is told and the checkpoint goes once
    this commits."""
    job.state, job.finished_at, job.lease_until = state, at, None
    kept, job.checkpoint_blob = job.checkpoint_blob, ""
    job.save()
    record(job, actor, f"training.{state.value}", **facts)
    announce_training_ended(job, at)
    transaction.on_commit(lambda: ring(job.id, "final", state=state.value))
    if kept:
        transaction.on_commit(lambda: default_storage.delete(kept))
