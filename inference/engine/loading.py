"""Loading a Krea 2 pipeline from a folder or a repository id, ready for one device."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import Krea2Pipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from inference.engine.vae import use_single_frame_convolutions

READ_BYTES = 1 << 20


class ModelNotLoaded(Exception):
    """The weights are missing or not what the release registry says; the message says what to do."""


@dataclass(frozen=True)
class LoadedModel:
    """A pipeline on its device, and what it was loaded from."""

    pipeline: Any
    source: str
    device: torch.device
    dtype: torch.dtype

    @property
    def device_name(self) -> str:
        """For people: the GPU's name, or the CPU with its threads."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"CPU, {torch.get_num_threads()} threads"


def load_model(
    source: str, *, threads: int, revision: str | None = None, report: Callable[[str], None]
) -> LoadedModel:
    """The pipeline of ``source`` (a folder in diffusers' layout, or a repository id).

    bfloat16 on a GPU, float32 on a CPU. Raises ModelNotLoaded with what to do.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if device.type == "cpu":
        torch.set_num_threads(threads)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    report(f"loading {Path(source).name} on {device.type}")
    try:
        pipeline = Krea2Pipeline.from_pretrained(source, revision=revision, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise ModelNotLoaded(
            f"The model {source} could not be loaded: {error}. Set LICET_MODEL to a folder in "
            "diffusers' layout (model_index.json, transformer/, vae/, ...) or to a repository id."
        ) from error
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.transformer, pipeline.text_encoder, pipeline.vae):
        part.eval().requires_grad_(requires_grad=False)
    use_single_frame_convolutions(pipeline.vae)
    if device.type == "cuda":
        report("compiling the repeated transformer block")
        pipeline.transformer.compile_repeated_blocks(fullgraph=True, dynamic=True)
    return LoadedModel(pipeline=pipeline, source=source, device=device, dtype=dtype)


@contextlib.contextmanager
def inference_mode() -> Iterator[None]:
    """No gradients, no autograd bookkeeping."""
    with torch.inference_mode():
        yield


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of every file of ``folder``, in order of name."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(READ_BYTES):
                digest.update(block)
    return digest.hexdigest()
