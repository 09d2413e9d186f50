"""The family's central claim: an adapter trained on Raw moves Turbo."""

from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from inference.engine.adapters import as_pairs  # noqa: E402
from inference.engine.denoise import Request, denoise  # noqa: E402
from inference.engine.loading import load_model  # noqa: E402
from inference.engine.model import LoadedModel, inference_mode  # noqa: E402
from inference.engine.protocol import Cancelled  # noqa: E402
from inference.engine.text import encode_text  # noqa: E402
from inference.engine.tiny import measure, scenes  # noqa: E402
from inference.engine.training import Example, Recipe, train_adapter  # noqa: E402
from inference.engine.vae import decode, to_bytes  # noqa: E402

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(1800)]
WEIGHTS = settings.BASE_DIR / "inference" / "weights"
# Words that neither model knows: without the adapter they draw anything but this.
CAPTION = "a picture of zorp"


def load(name: str, slots: int = 0) -> LoadedModel:
    return load_model(
        str(WEIGHTS / name), threads=1, report=lambda _line: None, slots=slots, slot_rank=16
    )


@pytest.fixture(scope="module")
def raw() -> LoadedModel:
    return load("krea-2-tiny-raw")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Large purple squares on white, a little different each."""
    rng = np.random.default_rng(3)
    made = []
    for _ in range(6):
        scene = scenes.Scene(
            "square", "purple", "white", size="large", scale=float(rng.uniform(0.95, 1.05))
        )
        made.append(Example(scenes.render(scene, 128, 128), CAPTION))
    return made


def drawn(model: LoadedModel, slot: int, seeds: range) -> list[np.ndarray]:
    with inference_mode():
        text = encode_text(model, CAPTION, slot=slot)
        request = Request([text] * len(seeds), None, 128, 128, 8, 0.0, seeds, [slot] * len(seeds))
        latents = denoise(model, request, on_step=lambda _s, _n: None, should_stop=lambda: False)
        data, _ = to_bytes(decode(model, latents, width=128, height=128))
        return list(data.numpy())


def share_of_purple(pictures: list[np.ndarray]) -> float:
    return sum(measure.read(each).colour == "purple" for each in pictures) / len(pictures)


def test_an_adapter_trained_on_raw_moves_turbo(raw: LoadedModel, examples: list[Example]) -> None:
    losses: list[float] = []

    data = train_adapter(
        raw,
        examples,
        Recipe(steps=120, rank=16, learning_rate=2e-3, batch=2),
        on_step=lambda _step, loss: losses.append(loss),
    )

    turbo = load("krea-2-tiny-turbo", slots=1)
    assert turbo.slots is not None
    slot = turbo.slots.acquire("zorp", [(as_pairs(data), 1.0)])
    before, after = (share_of_purple(drawn(turbo, each, range(8))) for each in (0, slot))
    assert np.mean(losses[-20:]) < np.mean(losses[:20])
    assert after >= before + 0.5
    assert before <= 0.5


def test_a_stopped_training_goes_on_to_the_same_adapter(
    raw: LoadedModel, examples: list[Example], tmp_path: Path
) -> None:
    recipe = Recipe(steps=4, rank=2, batch=1, checkpoint_every=2)
    at_once = train_adapter(raw, examples, recipe, on_step=lambda _s, _l: None)
    seen: list[int] = []
    place = tmp_path / "run.pt"

    with pytest.raises(Cancelled):
        train_adapter(
            raw,
            examples,
            recipe,
            on_step=lambda step, _loss: seen.append(step),
            should_stop=lambda: len(seen) == 2,
            checkpoint=place,
        )
    in_two = train_adapter(
        raw, examples, recipe, on_step=lambda step, _loss: seen.append(step), checkpoint=place
    )

    assert seen == [1, 2, 3, 4]
    assert in_two == at_once
