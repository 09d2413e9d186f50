"""The shipped tiny checkpoints: layout, size, determinism, and a small look at what they draw."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import DiffusionPipeline, Krea2Pipeline  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

from inference.engine.tiny import evaluate  # noqa: E402
from inference.engine.tiny import tokenizer as words  # noqa: E402

pytestmark = pytest.mark.engine
WEIGHTS = Path(__file__).resolve().parents[3] / "inference" / "weights"
FOLDERS = ("krea-2-tiny-turbo", "krea-2-tiny-raw")


@pytest.fixture(scope="module")
def turbo():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pipe = DiffusionPipeline.from_pretrained(WEIGHTS / "krea-2-tiny-turbo")
    pipe.set_progress_bar_config(disable=True)
    yield pipe
    torch.set_num_threads(threads)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_tokenizer_cuts_the_template_into_34_and_5_tokens(folder):
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / folder / "tokenizer")

    assert len(tokenizer(words.PREFIX).input_ids) == 34
    assert len(tokenizer(words.SUFFIX).input_ids) == 5


def test_the_folder_loads_as_the_untouched_krea_pipeline(turbo):
    assert type(turbo) is Krea2Pipeline
    assert turbo.config.is_distilled is True
    assert evaluate.sampling(turbo) == (8, 0.0)


def test_the_raw_checkpoint_is_not_distilled():
    index = json.loads((WEIGHTS / "krea-2-tiny-raw" / "model_index.json").read_text())

    assert index["is_distilled"] is False
    assert index["_class_name"] == "Krea2Pipeline"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_card_of_a_checkpoint_names_its_sampling(folder):
    card = json.loads((WEIGHTS / folder / "licet.json").read_text())

    assert {
        "name",
        "variant",
        "steps",
        "guidance",
        "min_side",
        "max_side",
        "default_side",
        "trained_on",
    } <= set(card)
    assert card["contains_krea_weights"] is False


def test_both_checkpoints_together_stay_below_40_megabytes():
    size = sum(
        f.stat().st_size for folder in FOLDERS for f in (WEIGHTS / folder).rglob("*") if f.is_file()
    )

    assert size < 40_000_000


def test_the_same_seed_gives_the_same_picture(turbo):
    first, second = (_draw(turbo, "a red circle on a blue background", seed=4) for _ in range(2))

    assert np.array_equal(first, second)


def test_padding_changes_nothing_in_the_picture(turbo):
    short, long = (
        _draw(turbo, "a green star on a black background", seed=1, tokens=n) for n in (40, 160)
    )

    assert np.abs(short.astype(int) - long.astype(int)).max() <= 2


def test_held_out_captions_are_drawn_in_the_asked_colour(turbo):
    shares = evaluate.evaluate(turbo, captions=12, seed=11, side=128)

    assert shares["colour"] >= 0.8


def _draw(pipe, prompt, *, seed, tokens=40):
    picture = pipe(
        prompt, height=64, width=64, num_inference_steps=8, guidance_scale=0.0, max_sequence_length=tokens,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]  # fmt: skip
    return np.asarray(picture)
