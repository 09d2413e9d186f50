"""What a training asks for: defaults filled in, limits checked, licensed and priced. Writes nothing."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from billing.queries.quotes import Quote, quote_training
from governance.kernel.canonical import fingerprint
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.operations.authorization import Authorization, authorize_generation
from inference.kernel.training_terms import (
    FEWEST_ITEMS,
    FEWEST_STEPS,
    LEAST_RATE,
    MOST_ITEMS,
    MOST_RANK,
    MOST_RATE,
    MOST_STEPS,
)
from inference.models import TrainingDataset, TrainingItem
from inference.operations.adapters import base_release
from inference.operations.planning import LARGEST_SEED, SEED_BITS, check_tokens
from inference.queries.training import attestation_of, default_raw_slug
from inference.queries.work import rounded_up


class RightsNotAttested(DomainError):
    """Nobody has vouched for the rights to these very items."""

    code = "rights_not_attested"
    title = "The rights to the dataset are not attested"
    status = 409


@dataclass(frozen=True)
class TrainingRequest:
    """What is asked for. None means "the default"; ``resolution`` in px a side."""

    dataset_id: UUID
    name: str
    trigger: str = ""
    base: str | None = None
    steps: int = 1000
    rank: int = 32
    learning_rate: float = 3e-4
    resolution: int | None = None
    seed: int | None = None
    sample_prompt: str = ""

    @property
    def sha256(self) -> str:
        """Fingerprint of the request, for idempotency."""
        fields = {**self.__dict__, "dataset_id": str(self.dataset_id), "kind": "training"}
        return fingerprint({**fields, "learning_rate": str(self.learning_rate)})


@dataclass(frozen=True)
class TrainingPlan:
    """A request with every default filled in, licensed and priced."""

    request: TrainingRequest
    authorization: Authorization
    resolution: int
    seed: int
    sample_prompt: str
    quote: Quote


def plan_training(*, request: TrainingRequest, organization_id: UUID, at: datetime) -> TrainingPlan:
    """Fill in defaults, check limits, ask the licence engine, price. Writes nothing."""
    check_recipe(request)
    slug = request.base or default_raw_slug()
    authorization = authorize_generation(organization_id=organization_id, release_slug=slug, at=at)
    if authorization.variant != "raw":
        raise InvalidRequest(
            f"{slug} is no Raw model. Adapters are trained on Raw and used on Turbo.", param="base"
        )
    base_release(slug)
    resolution = rounded_up(request.resolution or authorization.default_side)
    low, high = authorization.min_side, authorization.max_side
    if not low <= resolution <= high:
        raise InvalidRequest(
            f"resolution must be from {low} to {high} px for {slug}.", param="resolution"
        )
    require_items(organization_id, request.dataset_id)
    return TrainingPlan(
        request=request,
        authorization=authorization,
        resolution=resolution,
        seed=secrets.randbits(SEED_BITS) if request.seed is None else request.seed,
        sample_prompt=sample_prompt_of(request),
        quote=quote_training(steps=request.steps, pixels=resolution * resolution, at=at),
    )


def check_recipe(request: TrainingRequest) -> None:
    """Limits that hold for every training. Raises InvalidRequest naming the parameter."""
    most_rank = min(MOST_RANK, settings.ADAPTER_RANK)
    seed = request.seed or 0
    for name, value, low, high in (
        ("steps", request.steps, FEWEST_STEPS, MOST_STEPS),
        ("rank", request.rank, 1, most_rank),
        ("learning_rate", request.learning_rate, LEAST_RATE, MOST_RATE),
        ("seed", seed, 0, LARGEST_SEED),
    ):
        if not low <= value <= high:
            raise InvalidRequest(f"{name} must be from {low:g} to {high:g}.", param=name)
    if not request.name.strip():
        raise InvalidRequest("The adapter needs a name.", param="name")


def require_items(organization_id: UUID, dataset_id: UUID) -> None:
    """The dataset is here, large enough, not too large, and vouched for as it is.

    Raises NotFound, InvalidRequest and RightsNotAttested.
    """
    if not TrainingDataset.objects.filter(
        id=dataset_id, organization_id=organization_id, deleted_at__isnull=True
    ).exists():
        raise NotFound("There is no such dataset.")
    count = TrainingItem.objects.filter(dataset_id=dataset_id, accepted=True).count()
    if not FEWEST_ITEMS <= count <= MOST_ITEMS:
        raise InvalidRequest(
            f"The dataset has {count} accepted pictures; {FEWEST_ITEMS} to {MOST_ITEMS} are needed.",
            param="dataset",
        )
    if attestation_of(dataset_id) is None:
        raise RightsNotAttested(
            "Attest the rights to the dataset as it is now, then start the training."
        )


def sample_prompt_of(request: TrainingRequest) -> str:
    """What the samples show: the asked prompt, else the trigger word, else the first caption."""
    first = (
        TrainingItem.objects.filter(dataset_id=request.dataset_id, accepted=True)
        .order_by("id")
        .values_list("caption", flat=True)
        .first()
    )
    prompt = request.sample_prompt.strip() or request.trigger.strip() or first or ""
    check_tokens(prompt)
    return prompt
