"""Each saving of our loop against the untouched pipeline, in float32 on the real classes."""

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from inference.engine.denoise import (  # noqa: E402
    Cancelled,
    PromptTooLong,
    Request,
    decode,
    denoise,
    encode_text,
)
from inference.engine.loading import LoadedModel  # noqa: E402
from inference.engine.vae import use_single_frame_convolutions  # noqa: E402

pytestmark = pytest.mark.engine
CLOSE = 1e-5


@pytest.fixture
def model(random_pipeline: Any) -> LoadedModel:
    return LoadedModel(random_pipeline, "random", torch.device("cpu"), torch.float32)


def ours(model: LoadedModel, prompt: str, *, guidance: float = 0.0, seeds: list[int]) -> Any:
    with torch.inference_mode():
        request = Request(
            text=encode_text(model, prompt),
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

    def test_the_prompt_matters(self, model: LoadedModel) -> None:
        difference = ours(model, "a red circle", seeds=[1]) - ours(model, "two stars", seeds=[1])

        assert difference.abs().max() > CLOSE * 10

    def test_stops_within_one_step_when_it_is_cancelled(self, model: LoadedModel) -> None:
        seen: list[int] = []
        with torch.inference_mode():
            request = Request(encode_text(model, "a circle"), None, 64, 64, 8, 0.0, [1])

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
