"""A tenant that can pay, an engine that sketches, and the request between them."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.utils.timezone import now
from PIL import Image

from billing.operations.credits import grant_credit
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.money import usd
from governance.models import ModelRelease, Organization
from governance.operations.api_keys import CreatedKey
from inference.engine.attempts import EngineLost, Outcome, ignore_preview
from inference.engine.encode import encoder
from inference.engine.protocol import GenerateCommand, Preview, Refused, Released
from inference.models import Generation, StyleReference
from inference.operations.admissions import Submitter
from inference.operations.idempotency import Repetition
from inference.operations.planning import GenerationRequest
from inference.operations.references import upload_reference
from inference.operations.submission import submit_generation
from moderation.operations.release import release_image
from moderation.operations.screening import restore_screened_prompt

WORKER = Actor(kind="worker", id="host:1:0", label="engine")


class SketchEngine:
    """Draws coloured noise without a model, and lets it through the real gate.

    ``dies_at`` ends the "process" at that step once; ``refuses`` are indexes that are refused.
    """

    def __init__(
        self,
        *,
        dies_at: int | None = None,
        refuses: tuple[int, ...] = (),
        pictures: list[np.ndarray] | None = None,
    ) -> None:
        self.dies_at = dies_at
        self.pictures = pictures
        self.refuses = refuses
        self.commands: list[GenerateCommand] = []

    def generate(
        self,
        command: GenerateCommand,
        *,
        on_step: Callable[[int, int], None],
        should_cancel: Callable[[], bool],
        stuck_after_s: float,
        on_preview: Callable[[Preview], None] = ignore_preview,
    ) -> Outcome:
        self.commands.append(command)
        for step in range(1, command.steps + 1):
            if step == self.dies_at:
                self.dies_at = None
                raise EngineLost("the engine process ended (exit status -9)")
            if should_cancel():
                return Outcome(cancelled=True)
            on_step(step, command.steps)
        outcome = Outcome()
        for index in range(command.images):
            if index in self.refuses:
                outcome.refused.append(
                    Refused(
                        index, "moderation_blocked", "Refused by the test.", {"stage": "output"}
                    )
                )
            else:
                outcome.released.append(self.sketch(command, index))
        return outcome

    def sketch(self, command: GenerateCommand, index: int) -> Released:
        prompt = restore_screened_prompt(
            text=command.prompt, receipt=command.prompt_receipt, job_id=command.job
        )
        drawn = self.pictures[index] if self.pictures else None
        pixels = (
            ramp(command.height, command.width, command.seed + index) if drawn is None else drawn
        )
        image = release_image(
            pixels=pixels,
            encode=encoder(command.output_format, command.output_compression),
            prompt=prompt,
            job_id=command.job,
            attempt=command.attempt,
            index=index,
            release_slug="sketch",
        )
        return Released(
            index,
            image.data,
            image.receipt,
            image.width,
            image.height,
            tuple(verdict.as_json() for verdict in image.verdicts),
        )


def ramp(height: int, width: int, seed: int) -> np.ndarray:
    """A smooth picture that no classifier minds, a little different for each seed."""
    across = np.linspace(40, 200, width)[None, :, None]
    down = np.linspace(0, 40, height)[:, None, None]
    tint = np.array([0.6, 0.8, 1.0]) * (0.9 + 0.01 * (seed % 10))
    return ((across + down) * tint).astype(np.uint8)


@pytest.fixture
def release(db: None) -> ModelRelease:
    """The release that the tests draw with."""
    return ModelRelease.objects.create(
        slug="krea-2-tiny-turbo",
        name="Krea-2-Tiny-Turbo",
        variant="turbo",
        source="tests",
        licence="tests",
        steps=4,
        min_side=64,
        max_side=1024,
        default_side=64,
    )


@pytest.fixture
def funded(eligible: Callable[[Organization], None], release: ModelRelease) -> Callable[..., None]:
    """Makes an organization eligible and gives it credit."""

    def fund(organization: Organization, dollars: int = 10) -> None:
        eligible(organization)
        if dollars:
            grant_credit(
                organization_id=organization.id,
                amount=usd(dollars),
                kind="paid",
                external_reference=f"test:{organization.id}",
                actor=SYSTEM,
                at=now(),
            )

    return fund


@pytest.fixture
def submitter(
    organization: Organization, api_key: CreatedKey, funded: Callable[..., None]
) -> Submitter:
    """A key of a funded tenant."""
    funded(organization)
    return submitter_for(api_key)


def submitter_for(key: CreatedKey) -> Submitter:
    return Submitter(
        organization_id=key.key.organization_id,
        project_id=key.key.project_id,
        api_key_id=key.key.id,
        actor=Actor(kind="api_key", id=str(key.key.id), label=key.key.name),
    )


class Rung:
    """Counts the doorbells."""

    def __init__(self) -> None:
        self.jobs: list[UUID] = []

    def __call__(self, generation_id: UUID) -> None:
        self.jobs.append(generation_id)


@pytest.fixture
def rung() -> Rung:
    return Rung()


@pytest.fixture
def submit(submitter: Submitter, rung: Rung) -> Callable[..., Generation]:
    """Submits a harmless request and returns the job."""

    def make(
        prompt: str = "a large red circle on a blue background",
        *,
        by: Submitter = submitter,
        idempotency_key: str | None = None,
        retry: bool = False,
        **fields: object,
    ) -> Generation:
        submission = submit_generation(
            request=GenerationRequest(prompt=prompt, **fields),  # type: ignore[arg-type]
            submitter=by,
            repetition=Repetition(key=idempotency_key, retry_count=1 if retry else None),
            at=now(),
            enqueue=rung,
        )
        return Generation.objects.get(id=submission.generation_id)

    return make


@pytest.fixture
def releases(release: ModelRelease) -> list[UUID]:
    return [release.id]


LONG_AGO = timedelta(hours=1)


Upload = Callable[..., StyleReference]


def picture(seed: int = 1, *, form: str = "PNG") -> bytes:
    """A picture with a look of its own, so that it is known again when it is re-encoded."""
    source = np.random.default_rng(seed)
    grey = ramp(96, 128, seed).astype(float) / 2
    for _ in range(8):
        x, y, light = source.integers(0, 112), source.integers(0, 80), source.integers(0, 120)
        grey[y : y + 32, x : x + 40] = light
    stream = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(stream, form, quality=95)
    return stream.getvalue()


@pytest.fixture
def upload(organization: Organization) -> Upload:
    def make(data: bytes | None = None, **fields: Any) -> StyleReference:
        return upload_reference(
            **{
                "data": picture() if data is None else data,
                "name": "Aurora",
                "organization_id": organization.id,
                "actor": SYSTEM,
                "at": now(),
                **fields,
            }
        )

    return make
