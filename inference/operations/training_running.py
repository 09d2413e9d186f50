"""One attempt at one training, from lease to end, around any trainer."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from django.core.files.storage import default_storage
from django.utils.timezone import now

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from inference.engine.attempts import EngineLost
from inference.engine.training_client import TrainingCancelled
from inference.engine.training_protocol import (
    StoredState,
    TrainCommand,
    TrainingListener,
    TrainingPart,
    TrainingRefused,
)
from inference.models import TrainingItem, TrainingJob
from inference.operations.leases import LeaseLost
from inference.operations.training_finishing import (
    TrainedFileInvalid,
    fail_training,
    give_back_training,
    register_trained,
    stop_cancelled_training,
)
from inference.operations.training_leases import TrainingLease
from inference.operations.training_progress import TrainingProgress
from moderation.operations.screening import GateUnavailable

logger = logging.getLogger(__name__)
TOO_LATE = TrainingRefused(
    "deadline_exceeded", "The deadline passed before it was done. Nothing was charged."
)


class Trainer(Protocol):
    """What the supervisor needs of a training process."""

    def train(
        self,
        command: TrainCommand,
        *,
        listener: TrainingListener,
        should_cancel: Callable[[], bool],
        may_run: Callable[[], bool],
    ) -> StoredState | TrainingRefused:
        """See ``TrainerProcess.train``."""
        ...


def run_training(
    *,
    lease: TrainingLease,
    trainer: Trainer,
    actor: Actor,
    clock: Callable[[], datetime] = now,
    may_run: Callable[[], bool] = lambda: True,
) -> str:
    """Train, register and charge, or neither; returns how it ended: a state, ``lost`` or ``requeued``.

    Safe to lose at any line: what an attempt has not saved in a checkpoint is done again, and until
    the registering commit nothing is charged. Raises EngineNotReady, when the job is in the queue again.
    """
    job = TrainingJob.objects.select_related("release").get(id=lease.job_id)
    progress = TrainingProgress(lease, actor, job.deadline_at)
    try:
        try:
            result = trainer.train(
                command_of(job, lease),
                listener=progress,
                should_cancel=progress.should_cancel,
                may_run=may_run,
            )
        except TrainingCancelled:
            return settle_stopped(lease, progress, actor, clock())
        except EngineLost as lost:
            logger.warning("training %s: %s", lease.job_id, lost)
            return settle_again(lease, str(lost), actor, clock())
        progress.keep_lease(at_once=True)
        return settle(lease, result, actor, clock())
    except LeaseLost as error:
        logger.warning("attempt %s at a training dropped: %s", lease.epoch, error)
        return "lost"


def settle(
    lease: TrainingLease, result: StoredState | TrainingRefused, actor: Actor, at: datetime
) -> str:
    """Write how the attempt ended. Raises LeaseLost."""
    if isinstance(result, TrainingRefused):
        fail_training(lease=lease, refused=result, actor=actor, at=at)
        return "failed"
    try:
        register_trained(lease=lease, trained=result, actor=actor, at=at)
    except (GateUnavailable, TrainedFileInvalid) as error:
        return settle_again(lease, error.detail, actor, at)
    except DomainError as error:
        refused = TrainingRefused(error.code, error.detail)
        fail_training(lease=lease, refused=refused, actor=actor, at=at)
        return "failed"
    finally:
        default_storage.delete(result.blob)
    return "succeeded"


def settle_stopped(
    lease: TrainingLease, progress: TrainingProgress, actor: Actor, at: datetime
) -> str:
    """The trainer stopped: because it was cancelled, or too late. Raises LeaseLost."""
    if progress.is_late and not progress.is_cancelled:
        fail_training(lease=lease, refused=TOO_LATE, actor=actor, at=at)
        return "failed"
    stop_cancelled_training(lease=lease, actor=actor, at=at)
    return "cancelled"


def settle_again(lease: TrainingLease, reason: str, actor: Actor, at: datetime) -> str:
    """Back to the queue, to go on from the last checkpoint. Raises LeaseLost."""
    state = give_back_training(lease=lease, reason=reason, actor=actor, at=at)
    return "requeued" if state == "queued" else state


def command_of(job: TrainingJob, lease: TrainingLease) -> TrainCommand:
    """The trainer's order for this attempt."""
    release = job.release
    checkpoint = (
        StoredState(job.checkpoint_step, job.checkpoint_blob, job.checkpoint_sha256)
        if job.checkpoint_blob
        else None
    )
    return TrainCommand(
        job_id=str(job.id),
        organization_id=str(job.organization_id),
        attempt=lease.epoch,
        release_slug=release.slug,
        weights_sha256=release.weights_sha256,
        parts=parts_of(job),
        sample_prompt=job.sample_prompt,
        sample_receipt=job.sample_receipt,
        sample_steps=release.steps,
        guidance=release.guidance_milli / 1000,
        steps=job.steps,
        rank=job.rank,
        learning_rate=job.learning_rate,
        resolution=job.resolution,
        seed=job.seed,
        checkpoint_every=job.checkpoint_every,
        sample_every=job.sample_every,
        checkpoint=checkpoint,
    )


def parts_of(job: TrainingJob) -> tuple[TrainingPart, ...]:
    """The accepted items in a fixed order, so that every attempt draws the same ones."""
    items = TrainingItem.objects.filter(dataset_id=job.dataset_id, accepted=True).order_by("id")
    return tuple(
        TrainingPart(
            id=str(item.id),
            blob=item.blob,
            sha256=item.sha256,
            caption=item.caption,
            caption_receipt=item.caption_receipt,
            picture_receipt=item.picture_receipt,
        )
        for item in items
    )
