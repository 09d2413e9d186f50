"""A style that the demo organization trains on pictures of its own."""

import contextlib
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from governance.kernel.actors import Actor
from governance.models import ModelRelease, Organization, ReleaseStatus, Role
from inference.kernel.training_terms import FEWEST_ITEMS, STATEMENT_VERSION
from inference.models import Artifact, TrainingDataset
from inference.operations.admissions import Submitter
from inference.operations.history.jobs import MARK
from inference.operations.revoking import image_bytes
from inference.operations.training_data import attest_rights, create_dataset
from inference.operations.training_finishing import cancel_training
from inference.operations.training_items import Refusals, add_item
from inference.operations.training_orders import order_training
from inference.operations.training_planning import TrainingRequest

TRAINED, DRAFT = "House shapes", "Autumn campaign"
PICTURES, DRAFTED, STEPS, RANK = 6, 2, 40, 4
BROKEN = b"cut short"


def seed_trainings(organization: Organization, *, at: datetime) -> None:
    """One dataset that is trained on and one in the making, from the pictures of the past. Once only.

    The trainings are queued: the stack's own worker trains one; the other is cancelled.
    Nothing is made where there is no Raw release to train, or too few pictures.
    """
    raw = ModelRelease.objects.filter(status=ReleaseStatus.ACTIVE, kind="base", variant="raw")
    known = TrainingDataset.objects.filter(organization_id=organization.id, name=TRAINED)
    if not raw.exists() or known.exists() or pictures_of(organization).count() < FEWEST_ITEMS:
        return
    owner = organization.memberships.filter(role=Role.OWNER).select_related("user").earliest("id")
    by = Actor("user", str(owner.user_id), label=owner.user.email)
    trained = filled(organization, TRAINED, PICTURES, by, at)
    attest_rights(
        organization_id=organization.id, dataset_id=trained.id, text_version=STATEMENT_VERSION,
        actor=by, at=at,
    )  # fmt: skip
    submitter = Submitter(
        organization.id, organization.projects.earliest("created_at").id, None, by, owner.user_id
    )
    order(trained.id, "House shapes", submitter, at)
    second = order(trained.id, "House shapes, second try", submitter, at)
    cancel_training(organization_id=organization.id, job_id=second, actor=by, at=at)
    draft = filled(organization, DRAFT, DRAFTED, by, at)
    with contextlib.suppress(*Refusals):
        add_item(
            organization_id=organization.id, dataset_id=draft.id, data=BROKEN,
            caption="a leaf", actor=by, at=at, name="leaf.png",
        )  # fmt: skip


def filled(
    organization: Organization, name: str, most: int, by: Actor, at: datetime
) -> TrainingDataset:
    """A dataset of the latest pictures of the past that are still there."""
    dataset = create_dataset(organization_id=organization.id, name=name, actor=by, at=at)
    for number, image in enumerate(pictures_of(organization)[:most], start=1):
        data = image_bytes(image.generation_id, image.index)
        if data is not None:
            add_item(
                organization_id=organization.id, dataset_id=dataset.id, data=data,
                caption="a flat shape on a plain background", actor=by, at=at,
                name=f"shape-{number}.png",
            )  # fmt: skip
    return dataset


def pictures_of(organization: Organization) -> QuerySet[Artifact]:
    """First pictures of the past's jobs that are still there, latest first."""
    return Artifact.objects.filter(
        organization_id=organization.id, deleted_at=None, index=0,
        generation__request_id__startswith=MARK,
    ).order_by("-created_at")  # fmt: skip


def order(dataset_id: UUID, name: str, submitter: Submitter, at: datetime) -> UUID:
    """A short training; the supervisor finds it when it next looks at the queue."""
    request = TrainingRequest(
        dataset_id=dataset_id, name=name, trigger="houseshape", steps=STEPS, rank=RANK
    )
    return order_training(request=request, submitter=submitter, at=at, enqueue=lambda _: None)
