"""What a running training tells: its steps, its checkpoints, its samples; all under its lease."""

from datetime import datetime
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.timezone import now

from governance.kernel.actors import Actor
from inference.engine.protocol import Released
from inference.engine.training_protocol import Sample, SampleRefused, StoredState
from inference.models import TrainingJob, TrainingSample
from inference.operations.bell import ring
from inference.operations.progress import EXTEND_EVERY
from inference.operations.storage import StoredImage, store_image
from inference.operations.training_leases import (
    TrainingLease,
    extend_training,
    holder_of_training,
)
from inference.operations.training_orders import record
from moderation.operations.release import record_image_decisions


class TrainingProgress:
    """Listens to one attempt. Raises LeaseLost out of what needs the lease."""

    def __init__(self, lease: TrainingLease, actor: Actor, deadline_at: datetime) -> None:
        self.lease, self.actor, self.deadline_at = lease, actor, deadline_at
        self.lost = False
        self.step = TrainingJob.objects.values_list("step", flat=True).get(id=lease.job_id)
        self._losses: list[tuple[int, float]] = []
        self._written: datetime | None = None

    def on_loading(self, detail: str) -> None:  # noqa: ARG002 (the listener's signature)
        """The lease is kept while the model loads."""
        self.keep_lease()

    def on_step(self, step: int, loss: float) -> None:
        """Told to who watches, and written with the next extension of the lease."""
        self.step = step
        self._losses.append((step, loss))
        ring(self.lease.job_id, "step", step=step, loss=loss)
        self.keep_lease()

    def on_checkpoint(self, checkpoint: StoredState) -> None:
        """From here the next attempt goes on."""
        self.keep_lease(at_once=True)
        keep_checkpoint(lease=self.lease, checkpoint=checkpoint)

    def on_sample(self, sample: Sample) -> None:
        """Stored if its receipt verifies, then visible."""
        image = store_image(
            organization_id=self.lease.organization_id,
            job_id=self.lease.job_id,
            attempt=self.lease.epoch,
            image=Released(
                sample.step,
                sample.data,
                sample.receipt,
                sample.width,
                sample.height,
                sample.verdicts,
            ),
        )
        keep_sample(lease=self.lease, image=image, actor=self.actor, at=now())
        ring(self.lease.job_id, "sample", step=sample.step)

    def on_sample_refused(self, refused: SampleRefused) -> None:
        """Only the reason is kept."""
        keep_withheld(lease=self.lease, refused=refused, actor=self.actor, at=now())
        ring(self.lease.job_id, "sample", step=refused.step)

    def keep_lease(self, *, at_once: bool = False) -> None:
        """Extend the lease and write losses, at most every two seconds unless ``at_once``."""
        at = now()
        if not at_once and self._written is not None and at - self._written < EXTEND_EVERY:
            return
        self._written = at
        losses, self._losses = self._losses, []
        held = extend_training(lease=self.lease, step=self.step, losses=losses, at=at)
        self.lost = self.lost or not held

    def should_cancel(self) -> bool:
        """Whether the user has asked to stop, the deadline has passed or the lease is lost."""
        self.keep_lease()
        return self.lost or self.is_late or self.is_cancelled

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return now() > self.deadline_at

    @property
    def is_cancelled(self) -> bool:
        """Whether the user has asked to stop."""
        return TrainingJob.objects.filter(
            id=self.lease.job_id, cancel_requested_at__isnull=False
        ).exists()


@transaction.atomic
def keep_checkpoint(*, lease: TrainingLease, checkpoint: StoredState) -> None:
    """The job's new place to go on from; the one before is deleted. Raises LeaseLost."""
    job = holder_of_training(lease)
    former = job.checkpoint_blob
    job.checkpoint_step = checkpoint.step
    job.checkpoint_blob, job.checkpoint_sha256 = checkpoint.blob, checkpoint.sha256
    job.failures = 0
    job.save(update_fields=["checkpoint_step", "checkpoint_blob", "checkpoint_sha256", "failures"])
    if former:
        transaction.on_commit(lambda: default_storage.delete(former))


@transaction.atomic
def keep_sample(*, lease: TrainingLease, image: StoredImage, actor: Actor, at: datetime) -> None:
    """A released sample and the gate's decision on it. Raises LeaseLost."""
    job = holder_of_training(lease)
    replace_sample(
        job,
        image.index,
        attempt=lease.epoch,
        sha256=image.sha256,
        media_type=image.media_type,
        blob=image.blob,
        receipt=image.receipt,
        created_at=at,
    )
    keep_verdicts(job, image.verdicts, actor, at)
    record(job, actor, "training.sampled", step=image.index, sha256=image.sha256)


@transaction.atomic
def keep_withheld(
    *, lease: TrainingLease, refused: SampleRefused, actor: Actor, at: datetime
) -> None:
    """Why a sample was withheld, and the gate's decision on it. Raises LeaseLost."""
    job = holder_of_training(lease)
    replace_sample(
        job,
        refused.step,
        attempt=lease.epoch,
        error_code=refused.code,
        error_detail=refused.detail,
        created_at=at,
    )
    keep_verdicts(job, refused.verdicts, actor, at)
    record(job, actor, "training.sample_withheld", step=refused.step, code=refused.code)


def replace_sample(job: TrainingJob, step: int, **fields: Any) -> None:
    """The sample of this step; one that an attempt draws again takes the former one's place."""
    former = TrainingSample.objects.filter(job=job, step=step).first()
    if former is not None:
        blob = former.blob
        former.delete()
        if blob and blob != fields.get("blob"):
            transaction.on_commit(lambda: default_storage.delete(blob))
    TrainingSample.objects.create(job=job, organization_id=job.organization_id, step=step, **fields)


def keep_verdicts(
    job: TrainingJob, verdicts: tuple[dict[str, Any], ...], actor: Actor, at: datetime
) -> None:
    """Append the output gate's verdicts to the decisions log."""
    if verdicts:
        record_image_decisions(
            verdicts=verdicts,
            job_id=job.id,
            organization_id=job.organization_id,
            actor=actor,
            at=at,
        )
