"""A picture that was removed, or that a bank knows, does not come back by drawing it again."""

import io
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest
from django.db import DatabaseError
from django.utils.timezone import now
from PIL import Image

from governance.kernel.actors import SYSTEM, Actor
from governance.models import Organization
from inference.engine.attempts import Outcome
from inference.engine.protocol import GenerateCommand, Released
from inference.models import Artifact, Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from moderation.models import Decision, HashEntry, Removal
from moderation.operations import known_pictures
from moderation.operations.release import release_image
from moderation.operations.removals import CLOCK, remove_image
from moderation.operations.screening import restore_screened_prompt
from tests.inference.conftest import SketchEngine
from tests.moderation.test_banks import landscape

Submit = Callable[..., Generation]
WORKER = Actor(kind="worker", id="w1", label="engine")
pytestmark = pytest.mark.django_db


class PaintingEngine(SketchEngine):
    """Draws one and the same landscape, whatever it is asked, in the quality it is told."""

    def __init__(self, quality: int | None = None) -> None:
        super().__init__()
        self.quality = quality

    def sketch(self, command: GenerateCommand, index: int) -> Released:
        picture = landscape(7, 256, 256)

        def encode(pixels: np.ndarray) -> bytes:
            buffer = io.BytesIO()
            image = Image.fromarray(pixels)
            if self.quality is None:
                image.save(buffer, "PNG")
            else:
                image.save(buffer, "JPEG", quality=self.quality)
            return buffer.getvalue()

        image = release_image(
            pixels=np.asarray(picture),
            encode=encode,
            prompt=restore_screened_prompt(
                text=command.prompt, receipt=command.prompt_receipt, job_id=command.job
            ),
            job_id=command.job,
            attempt=command.attempt,
            index=index,
            release_slug="painting",
        )
        verdicts = tuple(verdict.as_json() for verdict in image.verdicts)
        return Released(index, image.data, image.receipt, image.width, image.height, verdicts)


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }


def draw(submit: Submit, releases: list[UUID], engine: SketchEngine) -> tuple[Generation, str]:
    job = submit()
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    assert lease is not None
    ended = run_attempt(lease=lease, engine=engine, actor=WORKER)
    job.refresh_from_db()
    return job, ended


def remove(job: Generation) -> None:
    image = Artifact.objects.get(generation=job)
    removal = Removal.objects.create(
        organization_id=job.organization_id,
        job_id=job.id,
        index=0,
        sha256=image.sha256,
        item="2",
        reason="asked",
        requested_at=now(),
        due_at=now() + CLOCK,
        state="open",
    )
    remove_image(removal_id=removal.id, actor=SYSTEM, at=now())


def test_a_delivered_picture_carries_the_banks_verdict(
    submit: Submit, releases: list[UUID]
) -> None:
    job, ended = draw(submit, releases, PaintingEngine())

    decision = Decision.objects.get(job_id=job.id, stage="output")
    assert ended == "succeeded"
    assert decision.verdicts.get(detector="hash-banks").outcome == "allow"


def test_a_removed_picture_does_not_come_back(
    submit: Submit, releases: list[UUID], organization: Organization
) -> None:
    first, _ = draw(submit, releases, PaintingEngine())
    remove(first)

    second, ended = draw(submit, releases, PaintingEngine())

    decision = Decision.objects.get(job_id=second.id, stage="output")
    assert (ended, second.state, second.charged_microusd) == ("refused", "blocked", 0)
    assert second.error_facts["charged_microusd"] == 0
    assert (decision.outcome, decision.item) == ("block", "2")
    assert not Artifact.objects.filter(generation=second).exists()


def test_nor_does_a_compressed_copy_of_it(submit: Submit, releases: list[UUID]) -> None:
    first, _ = draw(submit, releases, PaintingEngine())
    remove(first)

    second, _ = draw(submit, releases, PaintingEngine(quality=40))

    verdict = Decision.objects.get(job_id=second.id, stage="output").verdicts.get(
        detector="hash-banks"
    )
    assert second.state == "blocked"
    assert verdict.facts["by"] == "pdq"
    assert HashEntry.objects.get().pdq


def test_a_withdrawn_entry_lets_it_pass_again(submit: Submit, releases: list[UUID]) -> None:
    first, _ = draw(submit, releases, PaintingEngine())
    remove(first)
    HashEntry.objects.update(withdrawn_at=now())

    _, ended = draw(submit, releases, PaintingEngine())

    assert ended == "succeeded"


def test_banks_that_cannot_be_read_deliver_nothing(
    submit: Submit, releases: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseError("the database is away")

    monkeypatch.setattr(known_pictures, "bank_state", away)

    with pytest.raises(DatabaseError):
        draw(submit, releases, PaintingEngine())

    assert not Artifact.objects.exists()


def test_a_picture_that_no_classifier_judged_is_not_stored(
    submit: Submit, releases: list[UUID]
) -> None:
    class Silent(PaintingEngine):
        def generate(self, *args: object, **kwargs: object) -> Outcome:
            outcome = super().generate(*args, **kwargs)
            outcome.released[:] = [
                Released(each.index, each.data, each.receipt, each.width, each.height, ())
                for each in outcome.released
            ]
            return outcome

    with pytest.raises(known_pictures.ReceiptInvalid):
        draw(submit, releases, Silent())

    assert not Artifact.objects.exists()
