"""Adapters from any trainer come out in one form, or are refused with the reason."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.kernel.adapter_files import AdapterInvalid, Pair, normalised
from inference.kernel.adapter_names import module_name
from inference.kernel.tensor_files import (
    TensorFile,
    TensorFileInvalid,
    read_tensors,
    write_tensors,
)
from tests.inference.adapters_in_circulation import PUBLISHED, kohya, matrices, named, peft

SHAPES = dict.fromkeys(PUBLISHED, (6, 8))
PAIRS = matrices(1, SHAPES)


def change(pair: Pair) -> np.ndarray:
    return pair.up @ pair.down


class TestNormalised:
    def test_a_file_without_alpha_has_its_rank_as_alpha(self) -> None:
        adapter = normalised(read_tensors(peft(PAIRS)))

        for name, (down, up) in PAIRS.items():
            assert np.allclose(change(adapter.pairs[name]), up @ down)

    def test_alpha_in_the_metadata_scales_every_module(self) -> None:
        adapter = normalised(read_tensors(peft(PAIRS, alpha=8.0)))

        for name, (down, up) in PAIRS.items():
            assert np.allclose(change(adapter.pairs[name]), 2 * up @ down)

    def test_kohyas_names_and_alphas_mean_the_same_modules(self) -> None:
        adapter = normalised(read_tensors(kohya(PAIRS, alpha=2.0)))

        assert adapter.pairs.keys() == PAIRS.keys()
        for name, (down, up) in PAIRS.items():
            assert np.allclose(change(adapter.pairs[name]), 0.5 * up @ down)

    @pytest.mark.parametrize("prefix", ["diffusion_model.", "base_model.model.", "transformer."])
    def test_every_wrapper_is_taken_off(self, prefix: str) -> None:
        file = TensorFile(named(PAIRS, lambda name: prefix + name), {})

        assert normalised(file).pairs.keys() == PAIRS.keys()

    def test_the_normal_form_says_its_alpha_and_reads_back_as_itself(self) -> None:
        adapter = normalised(read_tensors(kohya(PAIRS, alpha=2.0)))

        again = read_tensors(adapter.as_file())

        config = json.loads(again.metadata["lora_adapter_metadata"])
        assert config["transformer.lora_alpha"] == config["transformer.r"] == 4
        for name, pair in normalised(again).pairs.items():
            assert np.array_equal(pair.up, adapter.pairs[name].up)

    def test_the_same_adapter_gives_the_same_bytes(self) -> None:
        assert (
            normalised(read_tensors(peft(PAIRS, alpha=2.0))).as_file()
            == normalised(read_tensors(kohya(PAIRS, alpha=2.0))).as_file()
        )

    def test_an_adapter_that_changes_nothing_says_so(self) -> None:
        silent = {name: (down, up * 0) for name, (down, up) in PAIRS.items()}

        assert normalised(read_tensors(peft(silent))).changes_nothing
        assert not normalised(read_tensors(peft(PAIRS))).changes_nothing

    def test_the_norm_is_the_frobenius_norm_of_the_product(self) -> None:
        (down, up), *_ = PAIRS.values()

        assert Pair(down, up).norm == pytest.approx(float(np.linalg.norm(up @ down)), rel=1e-5)

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("transformer.transformer_blocks.0.attn.to_q.diff", "differences"),
            ("transformer.transformer_blocks.0.attn.to_q.diff_b", "differences"),
            ("transformer.transformer_blocks.0.attn.to_q.dora_scale", "DoRA"),
            ("lora_te_layers_0.lora_down.weight", "text encoder"),
            ("lora_unet_blocks_0_attn_wq.hada_w1_a", "LoHa"),
            ("transformer.transformer_blocks.0.norm1.lora_A.weight", "may not change"),
            ("vae.decoder.conv_in.lora_A.weight", "may not change"),
            ("transformer.transformer_blocks.0.attn.to_q.weight", "no part"),
        ],
    )
    def test_what_is_no_plain_adapter_of_the_transformer_is_refused(
        self, key: str, reason: str
    ) -> None:
        tensors = {**read_tensors(peft(PAIRS)).tensors, key: np.zeros((4, 8), np.float32)}

        with pytest.raises(AdapterInvalid, match=reason):
            normalised(TensorFile(tensors, {}))

    @pytest.mark.parametrize(
        ("down", "up", "reason"),
        [
            (np.full((4, 8), np.nan), np.ones((6, 4)), "not finite"),
            (np.full((4, 8), 1e3), np.full((6, 4), 1e3), "norm"),
            (np.ones((129, 8)), np.ones((6, 129)), "rank"),
            (np.ones((4, 8)), np.ones((6, 5)), "no LoRA pair"),
        ],
    )
    def test_values_that_no_training_makes_are_refused(
        self, down: np.ndarray, up: np.ndarray, reason: str
    ) -> None:
        pair = {"img_in": (down.astype(np.float32), up.astype(np.float32))}

        with pytest.raises(AdapterInvalid, match=reason):
            normalised(TensorFile(named(pair, lambda name: f"transformer.{name}"), {}))

    def test_half_a_pair_is_refused(self) -> None:
        tensors = {"transformer.img_in.lora_A.weight": np.ones((4, 8), np.float32)}

        with pytest.raises(AdapterInvalid, match="only one"):
            normalised(TensorFile(tensors, {}))


class TestModuleName:
    @pytest.mark.parametrize(
        ("name", "module"),
        [
            ("lora_unet_blocks_12_attn_wo", "transformer_blocks.12.attn.to_out.0"),
            ("lora_unet_transformer_blocks_3_attn_to_out_0", "transformer_blocks.3.attn.to_out.0"),
            ("diffusion_model.txtfusion.projector", "text_fusion.projector"),
            ("model.diffusion_model.tmlp.2", "time_embed.linear_2"),
            ("transformer.final_layer.linear", "final_layer.linear"),
            (
                "lora_unet_txtfusion_refiner_blocks_1_attn_wk",
                "text_fusion.refiner_blocks.1.attn.to_k",
            ),
            (
                "transformer.text_fusion.layerwise_blocks.0.ff.up",
                "text_fusion.layerwise_blocks.0.ff.up",
            ),
        ],
    )
    def test_knows_the_names_in_circulation(self, name: str, module: str) -> None:
        assert module_name(name) == module

    @pytest.mark.parametrize(
        "name",
        ["text_fusion.refiner_blocks.0.norm1", "blocks.0.attn", "", "blocks.1234.attn.wq"],
    )
    def test_knows_no_others(self, name: str) -> None:
        assert module_name(name) is None


class TestReadTensors:
    def test_reads_what_it_writes(self) -> None:
        tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([1.5])}

        file = read_tensors(write_tensors(tensors, {"format": "pt"}))

        assert file.metadata == {"format": "pt"}
        assert all(np.array_equal(file.tensors[name], tensors[name]) for name in tensors)

    @given(data=st.binary(max_size=300))
    def test_takes_no_other_bytes_and_never_crashes(self, data: bytes) -> None:
        with pytest.raises(TensorFileInvalid):
            read_tensors(data)

    @given(place=st.integers(0, 400), value=st.integers(0, 255))
    def test_a_damaged_file_is_read_or_refused(self, place: int, value: int) -> None:
        data = bytearray(peft(matrices(1, {"img_in": (2, 2)}, rank=1)))
        data[place % len(data)] = value

        with contextlib.suppress(TensorFileInvalid):
            assert read_tensors(bytes(data)).tensors is not None
