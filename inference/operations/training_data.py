"""Datasets for training: made, vouched for, taken away."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.operations import audit
from inference.kernel.training_terms import STATEMENT_SHA256, STATEMENT_VERSION
from inference.models import (
    OPEN_TRAINING_STATES,
    RightsAttestation,
    TrainingDataset,
    TrainingItem,
)
from inference.queries.training import content_sha256


class DatasetFrozen(DomainError):
    """A training has begun on the dataset, so that its items stay as they are."""

    code = "dataset_frozen"
    title = "The dataset can no longer be changed"
    status = 409


class DatasetInUse(DomainError):
    """A training that has not ended needs the dataset."""

    code = "dataset_in_use"
    title = "A training uses this dataset"
    status = 409


@transaction.atomic
def create_dataset(
    *, organization_id: UUID, name: str, actor: Actor, at: datetime
) -> TrainingDataset:
    """An empty dataset. Raises InvalidRequest without a name."""
    if not name.strip():
        raise InvalidRequest("A dataset needs a name.", param="name")
    dataset = TrainingDataset.objects.create(
        organization_id=organization_id, name=name.strip()[:100], created_at=at
    )
    record(dataset, actor, "training_dataset.created")
    return dataset


def open_dataset(
    organization_id: UUID, dataset_id: UUID, *, locked: bool = False
) -> TrainingDataset:
    """A dataset that can still be changed. Raises NotFound and DatasetFrozen."""
    rows = TrainingDataset.objects.select_for_update() if locked else TrainingDataset.objects.all()
    dataset = rows.filter(
        id=dataset_id, organization_id=organization_id, deleted_at__isnull=True
    ).first()
    if dataset is None:
        raise NotFound("There is no such dataset.")
    if dataset.frozen_at is not None:
        raise DatasetFrozen(
            "A training was started on this dataset. Make a new dataset for other items."
        )
    return dataset


@transaction.atomic
def attest_rights(
    *, organization_id: UUID, dataset_id: UUID, text_version: str, actor: Actor, at: datetime
) -> RightsAttestation:
    """``actor`` vouches for the rights to every accepted item as it is now.

    Raises NotFound, DatasetFrozen, and InvalidRequest where another text is in force or nothing is
    there to vouch for. An item that is added later needs a new attestation.
    """
    dataset = open_dataset(organization_id, dataset_id, locked=True)
    if text_version != STATEMENT_VERSION:
        raise InvalidRequest(
            f"The statement in force is {STATEMENT_VERSION}; read it and accept that one.",
            param="text_version",
        )
    if not TrainingItem.objects.filter(dataset=dataset, accepted=True).exists():
        raise InvalidRequest("The dataset is empty.", param="dataset")
    attestation = RightsAttestation.objects.create(
        dataset=dataset,
        organization_id=organization_id,
        items_sha256=content_sha256(dataset.id),
        text_version=STATEMENT_VERSION,
        text_sha256=STATEMENT_SHA256,
        actor_kind=actor.kind,
        actor_id=actor.id[:64],
        actor_label=actor.label[:254],
        at=at,
    )
    record(
        dataset,
        actor,
        "training.rights_attested",
        items_sha256=attestation.items_sha256,
        text_version=STATEMENT_VERSION,
        text_sha256=STATEMENT_SHA256,
    )
    return attestation


@transaction.atomic
def delete_dataset(*, organization_id: UUID, dataset_id: UUID, actor: Actor, at: datetime) -> None:
    """Take a dataset away with its pictures and captions; hashes, decisions and lineage stay.

    Raises NotFound, and DatasetInUse while a training on it has not ended.
    """
    dataset = (
        TrainingDataset.objects.select_for_update()
        .filter(id=dataset_id, organization_id=organization_id, deleted_at__isnull=True)
        .first()
    )
    if dataset is None:
        raise NotFound("There is no such dataset.")
    if dataset.jobs.filter(state__in=OPEN_TRAINING_STATES).exists():
        raise DatasetInUse("Cancel its trainings first, or wait until they have ended.")
    dataset.deleted_at = at
    dataset.save(update_fields=["deleted_at"])
    blobs = list(dataset.items.exclude(blob="").values_list("blob", flat=True))
    dataset.items.update(caption="", name="", error_detail="")
    record(dataset, actor, "training_dataset.deleted", items=len(blobs))

    def delete_blobs() -> None:
        for blob in blobs:
            default_storage.delete(blob)

    transaction.on_commit(delete_blobs)


def record(dataset: TrainingDataset, actor: Actor, act: str, **facts: Any) -> None:
    """One audit entry about ``dataset``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=dataset.organization_id,
        subject_kind="training_dataset",
        subject_id=dataset.id,
        facts=facts,
    )
