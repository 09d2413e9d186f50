"""A dataset of harmless pictures, and a trainer that keeps to the protocol without a model."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.timezone import now
from PIL import Image

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.models import ModelRelease
from inference.engine.encode import encoder
from inference.engine.training_client import TrainingCancelled
from inference.engine.training_protocol import (
    Sample,
    StoredState,
    TrainCommand,
    TrainingListener,
    TrainingRefused,
)
from inference.kernel.training_terms import STATEMENT_VERSION
from inference.models import TrainingDataset, TrainingItem, TrainingJob
from inference.operations.admissions import Submitter
from inference.operations.training_data import attest_rights, create_dataset
from inference.operations.training_items import add_item
from inference.operations.training_orders import order_training
from inference.operations.training_planning import TrainingRequest
from moderation.operations.release import release_image
from moderation.operations.screening import restore_screened_prompt
from tests.inference.adapters_in_circulation import matrices, peft
from tests.inference.conftest import ramp

TRAINER = Actor(kind="worker", id="trainer:1", label="engine")
SHAPES = {"transformer_blocks.0.attn.to_q": (6, 8)}


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def picture(seed: int = 0, *, side: int = 96) -> bytes:
    return png(ramp(side, side + 16 * (seed % 3), seed))


@pytest.fixture
def raw_release(db: None) -> ModelRelease:
    """The Raw release that adapters are trained on."""
    return ModelRelease.objects.create(
        slug="krea-2-tiny-raw",
        name="Krea-2-Tiny-Raw",
        variant="raw",
        source="tests",
        licence="tests",
        steps=20,
        guidance_milli=3500,
        min_side=64,
        max_side=1024,
        default_side=128,
    )


@pytest.fixture
def dataset(submitter: Submitter) -> TrainingDataset:
    """An empty dataset of the tenant."""
    return create_dataset(
        organization_id=submitter.organization_id, name="Look", actor=submitter.actor, at=now()
    )


@pytest.fixture
def add(submitter: Submitter, dataset: TrainingDataset) -> Callable[..., TrainingItem]:
    """Adds one harmless picture."""

    def make(seed: int = 0, **fields: Any) -> TrainingItem:
        return add_item(
            **{
                "organization_id": submitter.organization_id,
                "dataset_id": dataset.id,
                "data": picture(seed),
                "caption": f"a blue ramp, number {seed}",
                "actor": submitter.actor,
                "at": now(),
                **fields,
            }
        )

    return make


@pytest.fixture
def attest(submitter: Submitter, dataset: TrainingDataset) -> Callable[..., Any]:
    """Vouches for the rights to the dataset as it is."""

    def make(text_version: str = STATEMENT_VERSION) -> Any:
        return attest_rights(
            organization_id=submitter.organization_id,
            dataset_id=dataset.id,
            text_version=text_version,
            actor=submitter.actor,
            at=now(),
        )

    return make


@pytest.fixture
def attested(
    add: Callable[..., TrainingItem], attest: Callable[..., Any], dataset: TrainingDataset
) -> TrainingDataset:
    """Three pictures, and somebody who vouches for them."""
    for seed in range(3):
        add(seed)
    attest()
    return dataset


@pytest.fixture
def order(
    submitter: Submitter, attested: TrainingDataset, raw_release: ModelRelease
) -> Callable[..., TrainingJob]:
    """Orders a training of eight steps."""

    def make(
        key: str | None = None,
        *,
        by: Submitter = submitter,
        rung: Any = lambda _id: None,
        **fields: Any,
    ) -> TrainingJob:
        request = TrainingRequest(
            **{
                "dataset_id": attested.id,
                "name": "Blue ramps",
                "trigger": "zorp",
                "steps": 8,
                "rank": 4,
                **fields,
            }
        )
        job_id = order_training(request=request, submitter=by, at=now(), enqueue=rung, key=key)
        return TrainingJob.objects.get(id=job_id)

    return make


class SketchTrainer:
    """Keeps to the trainer's protocol, through the real gate, without a model."""

    def __init__(
        self, *, seed: int = 1, size: float = 0.5, picture: np.ndarray | None = None,
        refused: TrainingRefused | None = None, dies_after: int | None = None,
        dies_with: Exception | None = None, cancelled: bool = False,
    ) -> None:  # fmt: skip
        self.file = peft(matrices(seed, SHAPES, size=size))
        self.picture = ramp(128, 128, 1) if picture is None else picture
        self.refused, self.cancelled = refused, cancelled
        self.dies_after, self.dies_with = dies_after, dies_with
        self.commands: list[TrainCommand] = []

    def train(
        self,
        command: TrainCommand,
        *,
        listener: TrainingListener,
        should_cancel: Callable[[], bool],
        may_run: Callable[[], bool],
    ) -> StoredState | TrainingRefused:
        self.commands.append(command)
        listener.on_loading("sketch")
        if self.refused is not None:
            return self.refused
        first = command.checkpoint.step if command.checkpoint else 0
        for step in range(first + 1, command.steps + 1):
            if should_cancel() or self.cancelled:
                raise TrainingCancelled
            listener.on_step(step, 1.0 / step)
            if step % command.sample_every == 0 or step == command.steps:
                listener.on_sample(self.sample(command, step))
            if step % command.checkpoint_every == 0:
                listener.on_checkpoint(self.stored(command, step, f"{step}.checkpoint", b"state"))
            if step == self.dies_after:
                assert self.dies_with is not None
                raise self.dies_with
        return self.stored(command, command.steps, "adapter.safetensors", self.file)

    def sample(self, command: TrainCommand, step: int) -> Sample:
        prompt = restore_screened_prompt(
            text=command.sample_prompt, receipt=command.sample_receipt, job_id=UUID(command.job_id)
        )
        image = release_image(
            pixels=self.picture,
            encode=encoder("png"),
            prompt=prompt,
            job_id=command.job,
            attempt=command.attempt,
            index=step,
            release_slug="sketch",
        )
        verdicts = tuple(verdict.as_json() for verdict in image.verdicts)
        return Sample(step, image.data, image.receipt, image.width, image.height, verdicts)

    def stored(self, command: TrainCommand, step: int, name: str, data: bytes) -> StoredState:
        blob = default_storage.save(command.place(name), ContentFile(data))
        return StoredState(step, blob, sha256_hex(data))
