"""Loading a Krea 2 pipeline from a folder, a repository id or a single file, ready for one device."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import Krea2Pipeline, Krea2Transformer2DModel
from diffusers.utils import logging as diffusers_logging
from huggingface_hub import snapshot_download
from transformers.utils import logging as transformers_logging

from governance.operations.releases import HashedFile, hashed_files, weights_sha256
from inference.engine.model import LoadedModel
from inference.engine.slots import SlotBank
from inference.engine.text import drop_vision_tower
from inference.engine.vae import use_single_frame_convolutions

SINGLE_FILE = ".safetensors"
COMMIT = re.compile(r"[0-9a-f]{40}")
TRANSFORMER = "transformer"


class ModelNotLoaded(Exception):
    """The weights are missing or not what the release registry says; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """Where weights come from.

    ``model``: a folder in diffusers' layout, a repository id, or a single .safetensors file with the
    transformer; then ``components`` names a folder or repository for the rest. A repository needs a
    ``revision``, the full commit: a branch may change under a running worker.
    """

    model: str
    revision: str = ""
    components: str = ""

    @property
    def is_single_file(self) -> bool:
        """Whether the transformer comes from a file of its own."""
        return self.model.endswith(SINGLE_FILE)


@dataclass(frozen=True)
class Located:
    """Weights on this machine, with the hash of every file."""

    folder: Path
    single_file: Path | None
    files: list[HashedFile]

    @property
    def sha256(self) -> str:
        """One hash over all files, as the release registry keeps it."""
        return weights_sha256(self.files)


def locate(source: Source, *, cache: Path | None = None) -> Located:
    """Find the weights, downloading a repository that is not in the cache yet. Raises ModelNotLoaded."""
    if not source.is_single_file:
        folder = folder_of(source.model, source.revision, cache)
        return Located(folder, None, hashed_files(folder))
    file = Path(source.model)
    if not file.is_file():
        raise ModelNotLoaded(f"There is no file {file}. Set LICET_MODEL to one that exists.")
    if not source.components:
        raise ModelNotLoaded(
            f"{file.name} holds the transformer only. Set LICET_MODEL_COMPONENTS to a folder or a "
            "repository with the text encoder, the tokenizer, the scheduler and the VAE."
        )
    folder = folder_of(source.components, source.revision, cache)
    rest = [each for each in hashed_files(folder) if not each.path.startswith(f"{TRANSFORMER}/")]
    own = [each for each in hashed_files(file.parent) if each.path == file.name]
    return Located(folder, file, [*own, *rest])


def folder_of(model: str, revision: str, cache: Path | None) -> Path:
    """The folder of ``model``: itself, or the repository's snapshot. Raises ModelNotLoaded."""
    if Path(model).is_dir():
        return Path(model)
    if not COMMIT.fullmatch(revision):
        raise ModelNotLoaded(
            f"{model} is no folder here. If it is a repository, pin it: set LICET_MODEL_REVISION to "
            "the full commit (40 hexadecimal digits)."
        )
    try:
        return Path(snapshot_download(model, revision=revision, cache_dir=cache))
    except Exception as error:
        raise ModelNotLoaded(
            f"{model} at {revision} could not be fetched: {error}. Accept its licence, log in with "
            "`hf auth login`, or set LICET_MODEL to a folder."
        ) from error


def load_model(
    source: Source | str,
    *,
    threads: int,
    report: Callable[[str], None],
    compiled: bool | None = None,
    slots: int = 0,
    slot_rank: int = 64,
    cache: Path | None = None,
) -> LoadedModel:
    """The pipeline of ``source``, hashed, without its vision tower, on the GPU if there is one.

    bfloat16 on a GPU, float32 on a CPU. ``compiled`` None means "on a GPU". Raises ModelNotLoaded
    with what to do. ``slots`` of ``slot_rank`` are kept for adapters.
    """
    where = Source(source) if isinstance(source, str) else source
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if device.type == "cpu":
        torch.set_num_threads(threads)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    report(f"hashing {Path(where.model).name}")
    located = locate(where, cache=cache)
    report(f"loading {Path(where.model).name} on {device.type}")
    try:
        pipeline = read_pipeline(located, dtype)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelNotLoaded(
            f"The model {where.model} could not be loaded: {error}. Set LICET_MODEL to a folder in "
            "diffusers' layout (model_index.json, transformer/, vae/, ...) or to a repository id."
        ) from error
    prepare(pipeline, device)
    bank = SlotBank(pipeline.transformer, slots=slots, rank=slot_rank) if slots else None
    if device.type == "cuda" if compiled is None else compiled:
        report("compiling the repeated transformer block")
        pipeline.transformer.compile_repeated_blocks(fullgraph=True, dynamic=True)
    return LoadedModel(
        pipeline=pipeline,
        source=where.model,
        device=device,
        dtype=dtype,
        sha256=located.sha256,
        slots=bank,
    )


def read_pipeline(located: Located, dtype: torch.dtype) -> Any:
    """The pipeline from files on this machine; nothing is fetched."""
    if located.single_file is None:
        return Krea2Pipeline.from_pretrained(located.folder, dtype=dtype, local_files_only=True)
    transformer = Krea2Transformer2DModel.from_single_file(
        str(located.single_file),
        config=str(located.folder),
        subfolder=TRANSFORMER,
        dtype=dtype,
        local_files_only=True,
    )
    return Krea2Pipeline.from_pretrained(
        located.folder, transformer=transformer, dtype=dtype, local_files_only=True
    )


def prepare(pipeline: Any, device: torch.device) -> None:
    """Everything between loading and compiling: no vision tower, no gradients, a 2D VAE."""
    drop_vision_tower(pipeline.text_encoder)
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.transformer, pipeline.text_encoder, pipeline.vae):
        part.eval().requires_grad_(requires_grad=False)
    use_single_frame_convolutions(pipeline.vae)
