"""The training process on the shipped tiny Raw: killed it goes on, held back it waits, and Turbo is moved."""

import io
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils.timezone import now
from PIL import Image

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from governance.models import ModelRelease  # noqa: E402
from inference.engine.adapters import as_pairs  # noqa: E402
from inference.engine.attempts import EngineNotReady  # noqa: E402
from inference.engine.denoise import Request, denoise  # noqa: E402
from inference.engine.loading import load_model  # noqa: E402
from inference.engine.model import inference_mode  # noqa: E402
from inference.engine.text import encode_text  # noqa: E402
from inference.engine.tiny import scenes  # noqa: E402
from inference.engine.training_client import TrainerProcess  # noqa: E402
from inference.engine.vae import decode, to_bytes  # noqa: E402
from inference.models import Adapter, TrainingItem, TrainingJob  # noqa: E402
from inference.operations.training_leases import claim_training  # noqa: E402
from inference.operations.training_orders import order_training  # noqa: E402
from inference.operations.training_planning import TrainingRequest  # noqa: E402
from inference.operations.training_running import run_training  # noqa: E402
from tests.inference.training_fixtures import TRAINER, png  # noqa: E402

pytestmark = [pytest.mark.engine, pytest.mark.django_db, pytest.mark.timeout(280)]
RAW = settings.BASE_DIR / "inference" / "weights" / "krea-2-tiny-raw"
TURBO = settings.BASE_DIR / "inference" / "weights" / "krea-2-tiny-turbo"
# Words that neither model knows: without the adapter they draw anything but this.
CAPTION = "a picture of zorp"


@pytest.fixture
def purple(add: Callable[..., TrainingItem], attest: Callable[..., Any]) -> None:
    """Large purple squares on white, vouched for."""
    for number in range(4):
        scene = scenes.Scene("square", "purple", "white", size="large", scale=0.94 + 0.03 * number)
        add(number, data=png(scenes.render(scene, 128, 128)), caption=CAPTION)
    attest()


@pytest.fixture
def order_purple(
    purple: None, dataset: Any, submitter: Any, raw_release: ModelRelease
) -> Callable[..., TrainingJob]:
    """Orders a training on the purple squares."""

    def make(**fields: Any) -> TrainingJob:
        request = TrainingRequest(
            **{
                "dataset_id": dataset.id,
                "name": "Zorp",
                "trigger": CAPTION,
                "seed": 5,
                **fields,
            }
        )
        job_id = order_training(
            request=request, submitter=submitter, at=now(), enqueue=lambda _id: None
        )
        return TrainingJob.objects.get(id=job_id)

    return make


@pytest.fixture
def trainer() -> Iterator[TrainerProcess]:
    process = TrainerProcess(str(RAW))
    yield process
    process.kill()


def attempt(raw_release: ModelRelease, trainer: TrainerProcess, **habits: Any) -> str:
    lease = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())
    assert lease is not None
    return run_training(lease=lease, trainer=trainer, actor=TRAINER, **habits)


def share_of_purple(data: bytes | None) -> float:
    """The share of purple pixels in what Turbo draws for the caption, with the adapter or without."""
    model = load_model(str(TURBO), threads=1, report=lambda _line: None, slots=1, slot_rank=16)
    assert model.slots is not None
    slot = model.slots.acquire("zorp", [(as_pairs(data), 1.0)]) if data else 0
    with inference_mode():
        text = encode_text(model, CAPTION, slot=slot)
        request = Request([text] * 4, None, 128, 128, 8, 0.0, range(4), [slot] * 4)
        latents = denoise(model, request, on_step=lambda _s, _n: None, should_stop=lambda: False)
        pixels, _ = to_bytes(decode(model, latents, width=128, height=128))
    red, green, blue = (pixels.numpy()[..., channel].astype(int) for channel in range(3))
    return float(((red - green > 40) & (blue - green > 40)).mean())


def test_an_adapter_trained_by_a_job_moves_turbo(
    order_purple: Callable[..., TrainingJob], raw_release: ModelRelease, trainer: TrainerProcess
) -> None:
    job = order_purple(steps=60, rank=8, learning_rate=5e-3)

    assert attempt(raw_release, trainer) == "succeeded"

    job.refresh_from_db()
    with default_storage.open(Adapter.objects.get().blob, "rb") as stream:
        data = stream.read()
    before, after = share_of_purple(None), share_of_purple(data)
    assert job.charged_microusd == 60 * 32
    assert job.losses.count() == 60
    assert job.samples.exclude(blob="").count() == 4
    assert after >= before + 0.05


@pytest.mark.slow
def test_killed_it_goes_on_to_the_very_same_adapter(
    order_purple: Callable[..., TrainingJob], raw_release: ModelRelease, trainer: TrainerProcess
) -> None:
    small = {"steps": 12, "rank": 2, "resolution": 64}
    whole = order_purple(**small)
    assert attempt(raw_release, trainer) == "succeeded"
    whole.refresh_from_db()
    first = whole.adapter
    assert first is not None
    Adapter.objects.filter(id=first.id).update(deleted_at=now())
    killed = order_purple(**small)

    def kill_after_the_first_checkpoint() -> bool:
        killed.refresh_from_db()
        if killed.checkpoint_step > 0 and trainer.process is not None:
            trainer.process.send_signal(signal.SIGKILL)
        return True

    assert attempt(raw_release, trainer, may_run=kill_after_the_first_checkpoint) == "requeued"
    assert 0 < killed.checkpoint_step < 12
    assert attempt(raw_release, trainer) == "succeeded"

    killed.refresh_from_db()
    assert killed.adapter is not None
    assert killed.adapter.sha256 == first.sha256
    assert [loss.step for loss in killed.losses.order_by("step")] == list(range(1, 13))


@pytest.mark.slow
def test_held_back_it_makes_no_step_until_it_may(
    order_purple: Callable[..., TrainingJob], raw_release: ModelRelease, trainer: TrainerProcess
) -> None:
    job = order_purple(steps=4, rank=2, resolution=64)
    seen: list[int] = []
    asked = 0

    def may_run() -> bool:
        nonlocal asked
        asked += 1
        seen.append(job.losses.count())
        return asked > 60

    assert attempt(raw_release, trainer, may_run=may_run) == "succeeded"

    assert seen[59] == 0


@pytest.mark.slow
def test_other_weights_than_the_registered_ones_are_not_trained_on(
    order_purple: Callable[..., TrainingJob], raw_release: ModelRelease, trainer: TrainerProcess
) -> None:
    order_purple(steps=4, rank=2, resolution=64)
    ModelRelease.objects.filter(id=raw_release.id).update(weights_sha256="0" * 64)

    with pytest.raises(EngineNotReady, match="LICET_TRAINING_MODEL"):
        attempt(raw_release, trainer)


@pytest.mark.slow
def test_a_changed_picture_of_the_dataset_is_not_learned(
    order_purple: Callable[..., TrainingJob], raw_release: ModelRelease, trainer: TrainerProcess
) -> None:
    job = order_purple(steps=4, rank=2, resolution=64)
    item = TrainingItem.objects.filter(dataset_id=job.dataset_id).earliest("id")
    stream = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(stream, "PNG")
    with default_storage.open(item.blob, "wb") as blob:
        blob.write(stream.getvalue())

    assert attempt(raw_release, trainer) == "failed"

    job.refresh_from_db()
    assert job.error_code == "training_material_missing"
    assert job.charged_microusd == 0
