"""Reading datasets and trainings of one organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from governance.kernel.errors import NotFound
from governance.models import ModelRelease, ReleaseStatus
from inference.kernel.training_terms import items_sha256
from inference.models import (
    OPEN_TRAINING_STATES,
    Generation,
    RightsAttestation,
    State,
    TrainingDataset,
    TrainingItem,
    TrainingJob,
    TrainingSample,
)

POINTS = 200


@dataclass(frozen=True)
class Loss:
    """The mean loss of the steps up to ``step`` since the point before."""

    step: int
    loss: float


def datasets_of(organization_id: UUID) -> QuerySet[TrainingDataset]:
    """An organization's datasets, newest first, with the number of accepted and refused items."""
    return (
        TrainingDataset.objects.filter(organization_id=organization_id, deleted_at__isnull=True)
        .annotate(
            accepted=Count("items", filter=Q(items__accepted=True)),
            refused=Count("items", filter=Q(items__accepted=False)),
        )
        .order_by("-id")
    )


def dataset_of(organization_id: UUID, dataset_id: UUID) -> TrainingDataset:
    """One dataset of this organization. Raises NotFound, also for another tenant's."""
    found = datasets_of(organization_id).filter(id=dataset_id).first()
    if found is None:
        raise NotFound("There is no such dataset.")
    return found


def items_of(dataset: TrainingDataset) -> list[TrainingItem]:
    """All items, accepted and refused, in the order in which they came."""
    return list(TrainingItem.objects.filter(dataset=dataset).order_by("id"))


def item_of(organization_id: UUID, dataset_id: UUID, item_id: UUID) -> TrainingItem:
    """One accepted item of a dataset that is still here. Raises NotFound."""
    found = TrainingItem.objects.filter(
        id=item_id,
        dataset_id=dataset_id,
        organization_id=organization_id,
        accepted=True,
        dataset__deleted_at__isnull=True,
    ).first()
    if found is None:
        raise NotFound("There is no such item.")
    return found


def content_sha256(dataset_id: UUID) -> str:
    """The name of the accepted items as they are now."""
    return items_sha256(
        TrainingItem.objects.filter(dataset_id=dataset_id, accepted=True).values_list(
            "sha256", "caption"
        )
    )


def attestation_of(dataset_id: UUID) -> RightsAttestation | None:
    """The latest attestation that covers exactly the items that are in the dataset now."""
    return (
        RightsAttestation.objects.filter(
            dataset_id=dataset_id, items_sha256=content_sha256(dataset_id)
        )
        .order_by("-id")
        .first()
    )


def jobs_of(organization_id: UUID) -> QuerySet[TrainingJob]:
    """An organization's trainings, newest first."""
    return (
        TrainingJob.objects.filter(organization_id=organization_id)
        .select_related("release", "dataset", "adapter", "project", "attestation")
        .order_by("-id")
    )


def job_of(organization_id: UUID, job_id: UUID) -> TrainingJob:
    """One training of this organization. Raises NotFound, also for another tenant's."""
    found = jobs_of(organization_id).filter(id=job_id).first()
    if found is None:
        raise NotFound("There is no such training.")
    return found


def final_trainings_among(job_ids: Sequence[UUID]) -> set[UUID]:
    """Those of ``job_ids`` that are trainings to which nothing more will happen."""
    ended = TrainingJob.objects.filter(id__in=job_ids).exclude(state__in=OPEN_TRAINING_STATES)
    return set(ended.values_list("id", flat=True))


def losses_of(job: TrainingJob, *, points: int = POINTS) -> list[Loss]:
    """The loss by step, averaged to at most ``points`` points."""
    rows = list(job.losses.order_by("step").values_list("step", "loss"))
    width = -(-len(rows) // points) or 1
    groups = [rows[start : start + width] for start in range(0, len(rows), width)]
    return [Loss(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]


def samples_of(job: TrainingJob) -> list[TrainingSample]:
    """Its samples, released and withheld, by step."""
    return list(job.samples.order_by("step"))


def sample_of(organization_id: UUID, job_id: UUID, step: int) -> TrainingSample:
    """One released sample. Raises NotFound, also for a withheld one."""
    found = (
        TrainingSample.objects.filter(job_id=job_id, organization_id=organization_id, step=step)
        .exclude(blob="")
        .first()
    )
    if found is None:
        raise NotFound("There is no such sample, or it was withheld.")
    return found


def training_states_of(job_ids: Sequence[UUID]) -> dict[UUID, tuple[str, bool]]:
    """State of each training, and whether its adapter is stored; for billing's open holds."""
    rows = TrainingJob.objects.filter(id__in=job_ids).values_list("id", "state", "adapter_id")
    return {job_id: (state, adapter is not None) for job_id, state, adapter in rows}


def default_raw_slug() -> str:
    """The release that trainings start from unless they name one: the oldest active Raw, or none."""
    return (
        ModelRelease.objects.filter(kind="base", variant="raw", status=ReleaseStatus.ACTIVE)
        .order_by("created_at")
        .values_list("slug", flat=True)
        .first()
        or ""
    )


def generations_want_the_device() -> bool:
    """Whether a generation waits or runs: a training that shares the device stands back then."""
    return Generation.objects.filter(state__in=(State.QUEUED, State.RUNNING)).exists()
