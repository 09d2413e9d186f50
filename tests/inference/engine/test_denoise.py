"""Each saving of our loop against the untouched pipeline, in float32 on the real classes."""

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from inference.engine.denoise import Request, denoise  # noqa: E402
from inference.engine.model import LoadedModel  # noqa: E402
from inference.engine.protocol import Cancelled  # noqa: E402
from inference.engine.text import (  # noqa: E402
    PromptTooLong,
    TextCache,
    drop_vision_tower,
    encode_text,
)
from inference.engine.vae import (  # noqa: E402
    decode,
    encode,
    to_bytes,
    use_single_frame_convolutions,
)

pytestmark = pytest.mark.engine
CLOSE = 1e-5


@pytest.fixture
def model(random_pipeline: Any) -> LoadedModel:
    return LoadedModel(random_pipeline, "random", torch.device("cpu"), torch.float32)


def ours(model: LoadedModel, prompt: str, *, guidance: float = 0.0, seeds: list[int]) -> Any:
    with torch.inference_mode():
        request = Request(
            texts=[encode_text(model, prompt)] * len(seeds),
            unconditional=encode_text(model, "") if guidance else None,
            width=64,
            height=96,
            steps=4,
            guidance=guidance,
            seeds=seeds,
        )
        return denoise(model, request, on_step=lambda _s, _n: None, should_stop=lambda: False)


def untouched(pipeline: Any, prompt: str, *, guidance: float = 0.0, seeds: list[int]) -> Any:
    return pipeline(
        prompt,
        width=64,
        height=96,
        num_inference_steps=4,
        guidance_scale=guidance,
        num_images_per_prompt=len(seeds),
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        output_type="latent",
    ).images


class TestDenoise:
    def test_unpadded_text_draws_what_padded_text_draws(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        prompt = "a large red circle on a blue background"

        difference = ours(model, prompt, seeds=[7]) - untouched(random_pipeline, prompt, seeds=[7])

        assert difference.abs().max() < CLOSE

    def test_guided_raw_draws_what_the_pipeline_draws(self, random_pipeline: Any) -> None:
        raw = copy.copy(random_pipeline)
        raw.register_to_config(is_distilled=False)
        model = LoadedModel(raw, "raw", torch.device("cpu"), torch.float32)
        prompt = "a green star"

        difference = ours(model, prompt, guidance=3.5, seeds=[3]) - untouched(
            raw, prompt, guidance=3.5, seeds=[3]
        )
        raw.register_to_config(is_distilled=True)

        assert difference.abs().max() < CLOSE * 10

    def test_several_seeds_in_one_batch_draw_what_each_draws_alone(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        together = ours(model, "a blue square", seeds=[1, 2])

        alone = [untouched(random_pipeline, "a blue square", seeds=[seed]) for seed in (1, 2)]

        assert (together - torch.cat(alone)).abs().max() < CLOSE

    def test_different_prompts_in_one_batch_draw_what_each_draws_alone(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        prompts = ["a blue square", "a large green star in the top left corner of a white page"]
        with torch.inference_mode():
            texts = [encode_text(model, prompt) for prompt in prompts]
            request = Request(texts, None, 64, 96, 4, 0.0, [1, 2])
            together = denoise(
                model, request, on_step=lambda _s, _n: None, should_stop=lambda: False
            )

        alone = [
            untouched(random_pipeline, prompt, seeds=[seed])
            for prompt, seed in zip(prompts, (1, 2), strict=True)
        ]

        assert texts[0].tokens != texts[1].tokens
        assert (together - torch.cat(alone)).abs().max() < CLOSE

    def test_a_text_encoder_without_its_vision_tower_reads_the_same(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        blind = copy.copy(random_pipeline)
        blind.text_encoder = copy.deepcopy(random_pipeline.text_encoder)
        dropped = drop_vision_tower(blind.text_encoder)
        without = LoadedModel(blind, "blind", torch.device("cpu"), torch.float32)

        with torch.inference_mode():
            difference = (
                encode_text(without, "a red circle").hidden
                - encode_text(model, "a red circle").hidden
            )

        assert dropped > 0
        assert difference.abs().max() == 0

    def test_a_cached_text_is_the_text_that_was_encoded(self, model: LoadedModel) -> None:
        cache = TextCache(model, capacity=2)
        with torch.inference_mode():
            first = cache.encoded("a red circle")
            cache.encoded("two stars")
            again = cache.encoded("a red circle")
            cache.encoded("a moon")

            assert again is first
            assert cache.encoded("two stars") is not first
            assert torch.equal(first.hidden, encode_text(model, "a red circle").hidden)

    def test_shows_the_clean_picture_that_each_step_predicts(self, model: LoadedModel) -> None:
        shown: list[Any] = []
        with torch.inference_mode():
            request = Request([encode_text(model, "a circle")], None, 64, 64, 3, 0.0, [1])

            clean = denoise(
                model,
                request,
                on_step=lambda _s, _n: None,
                should_stop=lambda: False,
                on_prediction=lambda _step, predicted: shown.append(predicted()),
            )

        assert len(shown) == 3
        assert torch.allclose(shown[-1], clean, atol=CLOSE)

    def test_the_prompt_matters(self, model: LoadedModel) -> None:
        difference = ours(model, "a red circle", seeds=[1]) - ours(model, "two stars", seeds=[1])

        assert difference.abs().max() > CLOSE * 10

    def test_stops_within_one_step_when_it_is_cancelled(self, model: LoadedModel) -> None:
        seen: list[int] = []
        with torch.inference_mode():
            request = Request([encode_text(model, "a circle")], None, 64, 64, 8, 0.0, [1])

            with pytest.raises(Cancelled):
                denoise(
                    model,
                    request,
                    on_step=lambda step, _steps: seen.append(step),
                    should_stop=lambda: len(seen) == 3,
                )

        assert seen == [1, 2, 3]

    def test_a_prompt_that_diffusers_would_cut_is_refused(self, model: LoadedModel) -> None:
        with pytest.raises(PromptTooLong) as refusal, torch.inference_mode():
            encode_text(model, "circle " * 600)

        assert refusal.value.tokens > refusal.value.limit == 507


class TestSingleFrameConvolutions:
    def test_decode_the_same_picture_as_the_3d_ones(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        latents = ours(model, "a red circle", seeds=[5])
        flat = copy.deepcopy(random_pipeline.vae)
        replaced = use_single_frame_convolutions(flat)
        with_2d = copy.copy(random_pipeline)
        with_2d.vae = flat

        with torch.inference_mode():
            in_3d = decode(model, latents, width=64, height=96)
            in_2d = decode(
                LoadedModel(with_2d, "2d", torch.device("cpu"), torch.float32),
                latents,
                width=64,
                height=96,
            )

        assert replaced > 10
        assert in_2d.shape == (1, 3, 96, 64)
        assert (in_3d - in_2d).abs().max() < CLOSE

    def test_decode_what_the_pipeline_decodes(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        latents = ours(model, "a red circle", seeds=[5])
        expected = random_pipeline(
            "a red circle",
            width=64,
            height=96,
            num_inference_steps=4,
            guidance_scale=0.0,
            generator=torch.Generator("cpu").manual_seed(5),
            output_type="pt",
        ).images

        with torch.inference_mode():
            picture = decode(model, latents, width=64, height=96) / 2 + 0.5

        assert (picture.clamp(0, 1) - expected).abs().max() < CLOSE

    def test_encode_is_the_inverse_of_decodes_scaling(
        self, model: LoadedModel, random_pipeline: Any
    ) -> None:
        pixels = torch.rand(1, 3, 64, 32) * 2 - 1
        flat = copy.deepcopy(random_pipeline.vae)
        use_single_frame_convolutions(flat)
        with_2d = copy.copy(random_pipeline)
        with_2d.vae = flat

        with torch.inference_mode():
            in_3d = encode(model, pixels)
            in_2d = encode(LoadedModel(with_2d, "2d", torch.device("cpu"), torch.float32), pixels)

        assert in_3d.shape == (1, 8, 16)
        assert (in_3d - in_2d).abs().max() < CLOSE


class TestToBytes:
    def test_rounds_as_numpy_does(self) -> None:
        pixels = torch.linspace(-1.1, 1.1, 3 * 32 * 32).view(1, 3, 32, 32)

        data, finite = to_bytes(pixels)

        expected = np.round(np.clip(pixels.numpy() / 2 + 0.5, 0, 1) * 255).astype(np.uint8)
        assert (data[0].numpy() == expected[0].transpose(1, 2, 0)).all()
        assert finite.tolist() == [True]

    def test_tells_which_picture_is_not_finite(self) -> None:
        pixels = torch.zeros(2, 3, 16, 16)
        pixels[1, 0, 3, 3] = torch.nan

        _, finite = to_bytes(pixels)

        assert finite.tolist() == [True, False]
