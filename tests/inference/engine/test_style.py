"""Style references: the picture moves toward them by their strength, and what is kept changes nothing."""

from typing import Any

import numpy as np
import pytest
from django.conf import settings

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from inference.engine.denoise import Request, denoise  # noqa: E402
from inference.engine.loading import load_model  # noqa: E402
from inference.engine.model import LoadedModel  # noqa: E402
from inference.engine.style import (  # noqa: E402
    Picture,
    Style,
    StyleCache,
    block_forward,
    shares_of,
)
from inference.engine.text import encode_text  # noqa: E402
from inference.engine.vae import decode  # noqa: E402

pytestmark = pytest.mark.engine
TURBO = settings.BASE_DIR / "inference" / "weights" / "krea-2-tiny-turbo"
SIDE = 64
PROMPT = "a large red circle on a blue background"
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(str(TURBO), threads=1, report=lambda _line: None, slots=1)


def drawn(model: LoadedModel, prompt: str = PROMPT, *, style: Style | None = None, **fields: Any):
    """Pixels of one picture, (3, height, width) in -1..1."""
    with torch.inference_mode():
        request = Request(
            **{
                "texts": [encode_text(model, prompt)],
                "unconditional": None,
                "width": SIDE,
                "height": SIDE,
                "steps": 8,
                "guidance": 0.0,
                "seeds": [7],
                "style": style,
                **fields,
            }
        )
        latents = denoise(model, request, on_step=lambda _s, _n: None, should_stop=lambda: False)
        return decode(model, latents, width=SIDE, height=SIDE)


@pytest.fixture(scope="module")
def pictures(model: LoadedModel) -> dict[str, Picture]:
    """Two references that the model can draw: a yellow page and a green one."""
    found = {}
    for name in ("yellow", "green"):
        page = drawn(model, f"a large white star on a {name} background", seeds=[3])[0]
        found[name] = Picture(f"tenant/{name}", page.clone())
    return found


def styled(
    *pairs: tuple[Picture, float], until: float = 1.0, cache: StyleCache | None = None
) -> Style:
    return Style(
        [picture for picture, _ in pairs],
        shares_of([strength for _, strength in pairs]),
        until,
        StyleCache(64 * MEBIBYTE) if cache is None else cache,
    )


def colours(pixels: Any) -> np.ndarray:
    """The mean colour, 0 to 255 a channel."""
    return np.asarray((pixels.reshape(3, -1).mean(dim=1) + 1) * 127.5)


def distance(first: Any, second: Any) -> float:
    return float(np.linalg.norm(colours(first) - colours(second)))


class TestAStyleReference:
    def test_moves_the_colours_toward_it_by_its_strength(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        yellow = pictures["yellow"]
        plain = distance(drawn(model), yellow.pixels)

        led = [
            distance(drawn(model, style=styled((yellow, strength))), yellow.pixels)
            for strength in (0.25, 0.5, 1.0)
        ]

        assert plain > led[0] > led[1] > led[2]
        assert led[2] < plain / 4

    def test_draws_the_same_picture_again(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        style = styled((pictures["yellow"], 0.5))

        assert torch.equal(drawn(model, style=style), drawn(model, style=style))

    def test_leads_every_seed_to_a_picture_of_its_own(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        style = styled((pictures["yellow"], 0.5))

        assert not torch.equal(
            drawn(model, style=style, seeds=[7]), drawn(model, style=style, seeds=[8])
        )

    def test_leads_a_batch_as_it_leads_each_alone(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        style = styled((pictures["yellow"], 0.5))
        text = encode_text(model, PROMPT)

        together = drawn(model, style=style, texts=[text, text], seeds=[7, 8])

        alone = [drawn(model, style=style, seeds=[seed]) for seed in (7, 8)]
        assert (together - torch.cat(alone)).abs().max() < 1e-4

    def test_leaves_more_to_the_prompt_the_larger_the_variation(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        yellow = pictures["yellow"]

        near, free = (
            distance(drawn(model, style=styled((yellow, 0.5), until=until)), yellow.pixels)
            for until in (1.0, 0.25)
        )

        assert near < free

    def test_also_leads_a_guided_picture(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        yellow = pictures["yellow"]
        guided = {"unconditional": encode_text(model, ""), "guidance": 2.0}

        led = drawn(model, style=styled((yellow, 0.75)), **guided)

        assert distance(led, yellow.pixels) < distance(drawn(model, **guided), yellow.pixels)


class TestSeveralReferences:
    def test_mix_by_their_strengths(self, model: LoadedModel, pictures: dict[str, Picture]) -> None:
        yellow, green = pictures["yellow"], pictures["green"]

        more_yellow = drawn(model, style=styled((yellow, 0.6), (green, 0.2)))
        more_green = drawn(model, style=styled((yellow, 0.2), (green, 0.6)))

        assert distance(more_yellow, yellow.pixels) < distance(more_green, yellow.pixels)
        assert distance(more_green, green.pixels) < distance(more_yellow, green.pixels)

    def test_have_no_more_than_the_whole_answer_together(self) -> None:
        assert shares_of([0.3, 0.2]) == [0.3, 0.2]
        assert shares_of([1.0, 1.0]) == [0.5, 0.5]


class TestWhatIsKeptOfAReference:
    def test_draws_what_is_drawn_without_keeping_anything(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        kept, nothing = StyleCache(64 * MEBIBYTE), StyleCache(0)
        yellow = (pictures["yellow"], 0.5)

        first = drawn(model, style=styled(yellow, cache=kept))
        again = drawn(model, style=styled(yellow, cache=kept))
        without = drawn(model, style=styled(yellow, cache=nothing))

        assert (kept.hits, kept.misses) == (8, 8)
        assert nothing.bytes == 0
        assert torch.equal(first, again)
        assert torch.equal(first, without)

    def test_serves_another_prompt_and_seed(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        cache = StyleCache(64 * MEBIBYTE)
        yellow = (pictures["yellow"], 0.5)
        drawn(model, style=styled(yellow, cache=cache))

        drawn(model, "a green star", style=styled(yellow, cache=cache), seeds=[9])

        assert (cache.hits, cache.misses) == (8, 8)

    def test_is_never_another_organizations(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        cache = StyleCache(64 * MEBIBYTE)
        yellow = pictures["yellow"]
        drawn(model, style=styled((yellow, 0.5), cache=cache))

        theirs = Picture(yellow.key.replace("tenant", "stranger"), yellow.pixels)
        drawn(model, style=styled((theirs, 0.5), cache=cache))

        assert (cache.hits, cache.misses) == (0, 16)

    def test_goes_when_others_need_the_place(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        cache = StyleCache(64 * MEBIBYTE)
        drawn(model, style=styled((pictures["yellow"], 0.5), cache=cache))
        cache.most_bytes = cache.bytes

        drawn(model, style=styled((pictures["green"], 0.5), cache=cache))
        drawn(model, style=styled((pictures["yellow"], 0.5), cache=cache))

        assert cache.misses == 24
        assert cache.bytes == cache.most_bytes

    def test_is_kept_whole_or_not_at_all(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        whole = StyleCache(64 * MEBIBYTE)
        drawn(model, style=styled((pictures["yellow"], 0.5), cache=whole))
        scarce = StyleCache(whole.bytes - 1)

        drawn(model, style=styled((pictures["yellow"], 0.5), cache=scarce))

        assert scarce.bytes == 0

    def test_does_not_depend_on_the_adapters_at_hand(
        self, model: LoadedModel, pictures: dict[str, Picture]
    ) -> None:
        bank = model.slots
        assert bank is not None
        name, module = next(iter(bank.modules.items()))
        down = torch.randn(4, module.in_features)
        up = torch.randn(module.out_features, 4)
        slot = bank.acquire("test", [({name: (down, up)}, 1.0)])
        cache, fresh = StyleCache(64 * MEBIBYTE), StyleCache(64 * MEBIBYTE)
        yellow = (pictures["yellow"], 0.5)
        drawn(model, style=styled(yellow, cache=cache), slots=[slot])
        drawn(model, style=styled(yellow, cache=fresh))

        kept, expected = list(cache._kept.values()), list(fresh._kept.values())

        assert len(kept) == len(expected) == 8
        for mine, theirs in zip(kept, expected, strict=True):
            assert all(torch.equal(a[0], b[0]) for a, b in zip(mine, theirs, strict=True))


class TestBlockForward:
    def test_is_the_blocks_own_without_references(self, model: LoadedModel) -> None:
        net = model.pipeline.transformer
        block = net.transformer_blocks[0]
        positions = model.pipeline.prepare_position_ids(3, 2, 2, model.device)
        rotary = net.rotary_emb(positions)
        width = net.config.num_attention_heads * net.config.attention_head_dim
        hidden = torch.randn(2, 7, width, generator=torch.Generator().manual_seed(0))
        modulation = torch.randn(2, 1, 6 * width, generator=torch.Generator().manual_seed(1))

        with torch.inference_mode():
            own = block(hidden, modulation, rotary, None)
            ours, _ = block_forward(block, hidden, modulation, rotary, None)

        assert torch.equal(own, ours)
