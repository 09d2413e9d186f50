"""Slots give exactly what diffusers' own loader gives, for each image of a batch on its own."""

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from inference.engine.adapters import as_pairs  # noqa: E402
from inference.engine.denoise import Request, denoise  # noqa: E402
from inference.engine.model import LoadedModel  # noqa: E402
from inference.engine.slots import (  # noqa: E402
    AdapterMismatch,
    AdaptersTooLarge,
    SlotBank,
    SlotLinear,
)
from inference.engine.text import encode_text  # noqa: E402
from inference.kernel.adapter_files import normalised  # noqa: E402
from inference.kernel.adapter_names import ALLOWED  # noqa: E402
from inference.kernel.tensor_files import read_tensors  # noqa: E402
from tests.inference.adapters_in_circulation import matrices, peft  # noqa: E402

pytestmark = pytest.mark.engine
CLOSE = 1e-5


@pytest.fixture
def model(random_pipeline: Any) -> LoadedModel:
    """The random pipeline with a transformer of its own, in which slots are opened."""
    pipeline = copy.copy(random_pipeline)
    pipeline.transformer = copy.deepcopy(random_pipeline.transformer)
    bank = SlotBank(pipeline.transformer, slots=3, rank=8)
    return LoadedModel(pipeline, "random", torch.device("cpu"), torch.float32, slots=bank)


def adapter(model: LoadedModel, seed: int, *, rank: int = 4) -> bytes:
    """A random adapter of every module that adapters may change."""
    shapes = {
        name: (module.out_features, module.in_features)
        for name, module in model.pipeline.transformer.named_modules()
        if isinstance(module, torch.nn.Linear) and ALLOWED.fullmatch(name)
    }
    return normalised(
        read_tensors(peft(matrices(seed, shapes, rank=rank, size=0.3), alpha=2.0))
    ).as_file()


def drawn(model: LoadedModel, slots: list[int], seeds: list[int]) -> Any:
    with torch.inference_mode():
        texts = [encode_text(model, "a red circle", slot=slot) for slot in slots]
        request = Request(texts, None, 64, 64, 4, 0.0, seeds, slots)
        return denoise(model, request, on_step=lambda _s, _n: None, should_stop=lambda: False)


def by_diffusers(random_pipeline: Any, files: dict[str, float], folder: Path) -> Any:
    """What diffusers and PEFT draw with these adapters at these strengths."""
    pipeline = copy.copy(random_pipeline)
    pipeline.transformer = copy.deepcopy(random_pipeline.transformer)
    with warnings.catch_warnings():
        # PEFT warns that a second adapter joins the first, which is what we want.
        warnings.simplefilter("ignore")
        for name in files:
            pipeline.load_lora_weights(str(folder / name), adapter_name=name.split(".")[0])
    pipeline.set_adapters([name.split(".")[0] for name in files], list(files.values()))
    return pipeline(
        "a red circle",
        width=64,
        height=64,
        num_inference_steps=4,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(7),
        output_type="latent",
    ).images


class TestSlotBank:
    def test_an_adapter_in_a_slot_draws_what_diffusers_draws_with_it(
        self, model: LoadedModel, random_pipeline: Any, tmp_path: Path
    ) -> None:
        data = adapter(model, 1)
        (tmp_path / "one.safetensors").write_bytes(data)
        assert model.slots is not None

        slot = model.slots.acquire("one", [(as_pairs(data), 0.8)])

        expected = by_diffusers(random_pipeline, {"one.safetensors": 0.8}, tmp_path)
        assert (drawn(model, [slot], [7]) - expected).abs().max() < CLOSE
        assert (drawn(model, [0], [7]) - expected).abs().max() > CLOSE * 100

    def test_two_adapters_on_one_image_draw_what_diffusers_draws_with_both(
        self, model: LoadedModel, random_pipeline: Any, tmp_path: Path
    ) -> None:
        files = {"one.safetensors": adapter(model, 1), "two.safetensors": adapter(model, 2)}
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        assert model.slots is not None

        pairs = [(as_pairs(data), 0.5) for data in files.values()]
        slot = model.slots.acquire("both", pairs)

        expected = by_diffusers(random_pipeline, dict.fromkeys(files, 0.5), tmp_path)
        assert (drawn(model, [slot], [7]) - expected).abs().max() < CLOSE

    def test_each_image_of_a_batch_gets_its_own_adapter_and_none_gets_anothers(
        self, model: LoadedModel
    ) -> None:
        assert model.slots is not None
        slots = [model.slots.acquire(str(n), [(as_pairs(adapter(model, n)), 1.0)]) for n in (1, 2)]

        together = drawn(model, [slots[0], 0, slots[1]], [7, 7, 7])

        alone = [drawn(model, [slot], [7]) for slot in (slots[0], 0, slots[1])]
        assert (together - torch.cat(alone)).abs().max() < CLOSE
        assert (alone[0] - alone[2]).abs().max() > CLOSE * 100

    def test_a_slot_is_used_again_once_nobody_needs_what_is_in_it(self, model: LoadedModel) -> None:
        bank = model.slots
        assert bank is not None
        first = [bank.acquire(str(n), [(as_pairs(adapter(model, n)), 1.0)]) for n in range(3)]
        bank.release("1")

        fourth = bank.acquire("new", [(as_pairs(adapter(model, 9)), 1.0)])

        assert len(set(first)) == 3
        assert fourth == first[1]
        assert bank.acquire("0", []) == first[0]

    def test_adapters_that_do_not_fit_in_a_slot_are_refused_and_leave_it_free(
        self, model: LoadedModel
    ) -> None:
        bank = model.slots
        assert bank is not None
        large = as_pairs(adapter(model, 1, rank=5))

        for _ in range(5):
            with pytest.raises(AdaptersTooLarge):
                bank.acquire("large", [(large, 1.0), (large, 1.0)])

    def test_an_adapter_of_another_model_is_refused(self, model: LoadedModel) -> None:
        assert model.slots is not None

        with pytest.raises(AdapterMismatch):
            model.slots.acquire("odd", [({"img_in": (torch.ones(2, 3), torch.ones(3, 2))}, 1.0)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_adapters_in_mixed_batches_compile_nothing_after_the_warm_up(
    model: LoadedModel,
) -> None:
    bank = model.slots
    assert bank is not None
    model.pipeline.transformer.compile_repeated_blocks(fullgraph=True, dynamic=True)
    files = [as_pairs(adapter(model, seed)) for seed in range(20)]
    for slots in ([0], [1], [0, 0], [1, 0]):
        drawn(model, slots, list(range(len(slots))))
    compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]

    with torch.compiler.set_stance("fail_on_recompile"):
        for number in range(0, 20, 2):
            keys = [str(number), str(number + 1)]
            slots = [bank.acquire(key, [(files[int(key)], 1.0)]) for key in keys]
            drawn(model, slots, [1, 2])
            drawn(model, slots[:1], [1])
            for key in keys:
                bank.release(key)

    assert compiled > 0
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == compiled
    assert any(isinstance(each, SlotLinear) for each in model.pipeline.transformer.modules())
