"""Where weights may come from, and that they are the ones on record."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from safetensors.torch import load_file, save_file  # noqa: E402

from governance.operations.releases import hashed_files, weights_sha256  # noqa: E402
from inference.engine.loading import (  # noqa: E402
    ModelNotLoaded,
    Source,
    load_model,
    locate,
)

pytestmark = pytest.mark.engine
TURBO = settings.BASE_DIR / "inference" / "weights" / "krea-2-tiny-turbo"
REVISION = "0123456789abcdef0123456789abcdef01234567"
# The published single file's names, the long ones first.
OFFICIAL = (
    ("img_in.", "first."), ("time_embed.linear_1.", "tmlp.0."), ("time_embed.linear_2.", "tmlp.2."),
    ("time_mod_proj.", "tproj.1."), ("txt_in.norm.weight", "txtmlp.0.scale"),
    ("txt_in.linear_1.", "txtmlp.1."), ("txt_in.linear_2.", "txtmlp.3."),
    ("text_fusion.", "txtfusion."), ("transformer_blocks.", "blocks."),
    ("final_layer.linear.", "last.linear."), ("final_layer.norm.weight", "last.norm.scale"),
    ("final_layer.scale_shift_table", "last.modulation.lin"), (".attn.to_q.", ".attn.wq."),
    (".attn.to_k.", ".attn.wk."), (".attn.to_v.", ".attn.wv."), (".attn.to_out.0.", ".attn.wo."),
    (".attn.to_gate.", ".attn.gate."), (".attn.norm_q.weight", ".attn.qknorm.qnorm.scale"),
    (".attn.norm_k.weight", ".attn.qknorm.knorm.scale"), (".ff.", ".mlp."),
    (".norm1.weight", ".prenorm.scale"), (".norm2.weight", ".postnorm.scale"),
    (".scale_shift_table", ".mod.lin"),
)  # fmt: skip


def officially(name: str) -> str:
    for ours, theirs in OFFICIAL:
        name = name.replace(ours, theirs)
    return name


def load(source: Source, **options: Any) -> Any:
    return load_model(source, threads=1, report=lambda _line: None, **options)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A hub cache that already holds one revision of one repository."""
    repository = tmp_path / "models--krea--Krea-2-Turbo"
    shutil.copytree(TURBO, repository / "snapshots" / REVISION)
    return tmp_path


class TestLocate:
    def test_hashes_a_folder_as_the_registry_does(self) -> None:
        assert locate(Source(str(TURBO))).sha256 == weights_sha256(hashed_files(TURBO))

    def test_a_changed_byte_is_another_release(self, tmp_path: Path) -> None:
        shutil.copytree(TURBO, tmp_path / "copy")
        card = tmp_path / "copy" / "licet.json"
        card.write_bytes(card.read_bytes() + b" ")

        assert locate(Source(str(tmp_path / "copy"))).sha256 != locate(Source(str(TURBO))).sha256

    @pytest.mark.parametrize("revision", ["", "main", REVISION[:12]])
    def test_a_repository_must_be_pinned_to_a_full_commit(self, revision: str) -> None:
        with pytest.raises(ModelNotLoaded, match="LICET_MODEL_REVISION"):
            locate(Source("krea/Krea-2-Turbo", revision))

    def test_a_single_file_needs_the_other_components(self, tmp_path: Path) -> None:
        (tmp_path / "krea-2-turbo.safetensors").write_bytes(b"")

        with pytest.raises(ModelNotLoaded, match="LICET_MODEL_COMPONENTS"):
            locate(Source(str(tmp_path / "krea-2-turbo.safetensors")))

    def test_a_missing_file_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotLoaded, match="no file"):
            locate(Source(str(tmp_path / "absent.safetensors")))


class TestLoadModel:
    def test_loads_a_pinned_repository_from_the_cache(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

        model = load(Source("krea/Krea-2-Turbo", REVISION), cache=cache)

        assert model.sha256 == weights_sha256(hashed_files(TURBO))

    def test_loads_a_single_file_in_the_published_names_to_the_same_weights(
        self, tmp_path: Path
    ) -> None:
        weights = load_file(TURBO / "transformer" / "diffusion_pytorch_model.safetensors")
        file = tmp_path / "krea-2-tiny-turbo.safetensors"
        save_file(
            {
                officially(name): (
                    value.flatten() if "blocks" in name and "table" in name else value
                )
                for name, value in weights.items()
            },
            file,
        )

        single = load(Source(str(file), components=str(TURBO))).pipeline.transformer.state_dict()

        whole = load(Source(str(TURBO))).pipeline.transformer.state_dict()
        assert single.keys() == whole.keys()
        assert all(torch.equal(single[name], whole[name]) for name in whole)

    def test_drops_the_vision_tower(self) -> None:
        assert load(Source(str(TURBO))).pipeline.text_encoder.visual is None

    def test_says_what_to_do_where_a_folder_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotLoaded, match="LICET_MODEL"):
            load(Source(str(tmp_path)))
