"""The two sides of the comparison: the untouched pipeline in a loop, and our engine."""

import io
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from inference.engine.batching import Part
from inference.engine.benchmarks.work import Task, commands, synchronize
from inference.engine.drawing import Pixels
from inference.engine.encode import encoder
from inference.engine.model import LoadedModel
from inference.engine.studio import Studio

SAMPLE_MS = 100


def plain_loop(pipeline: Any, of: Sequence[Task]) -> float:
    """Seconds that the untouched pipeline needs, a picture after the other, each saved as PNG."""
    synchronize()
    started = time.perf_counter()
    for task in of:
        image = pipeline(
            task.prompt,
            width=task.side,
            height=task.side,
            num_inference_steps=task.steps,
            guidance_scale=0.0,
            generator=torch.Generator("cpu").manual_seed(task.seed),
        ).images[0]
        image.save(io.BytesIO(), "PNG")
    synchronize()
    return time.perf_counter() - started


class UngatedStudio(Studio):
    """What the gate costs is measured against this: pictures are encoded and dropped, none leaves."""

    def _judge(self, parts: Sequence[Part], pixels: Pixels) -> None:
        encode = encoder("png")
        for image in pixels.images():
            if image is not None:
                encode(image)
        for part in parts:
            part.job.close()


class Counter:
    """Counts what the engine says."""

    def __init__(self) -> None:
        self.frames: dict[str, int] = {}
        self.lock = threading.Lock()

    def __call__(self, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:  # noqa: ARG002
        """One frame."""
        with self.lock:
            self.frames[kind] = self.frames.get(kind, 0) + 1


def our_engine(model: LoadedModel, of: Sequence[Task], *, tokens: int, gated: bool = True) -> float:
    """Seconds that our engine needs for the same pictures, all queued at once, gate and PNG included.

    Raises RuntimeError where a picture did not come out: then there is nothing to compare.
    """
    orders, said = commands(of), Counter()
    kind = Studio if gated else UngatedStudio
    synchronize()
    started = time.perf_counter()
    studio = kind(model, release_slug="bench", send=said, batch_tokens=tokens)
    for order in orders:
        studio.accept(order)
    studio.close()
    studio.run()
    synchronize()
    took = time.perf_counter() - started
    if said.frames.get("done") != len(orders) or said.frames.get("refused"):
        raise RuntimeError(f"not every picture came out: {said.frames}")
    return took


def busy_share(work: Callable[[], object]) -> float | None:
    """Share of samples in which the GPU ran a kernel while ``work`` ran; None without nvidia-smi."""
    command = [
        "nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits",
        f"-lms={SAMPLE_MS}",
    ]  # fmt: skip
    try:
        sampler = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    except FileNotFoundError:
        work()
        return None
    work()
    sampler.terminate()
    samples = [int(line) for line in (sampler.communicate()[0] or "").split() if line.isdigit()]
    return sum(samples) / len(samples) / 100 if samples else None
