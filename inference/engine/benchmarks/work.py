"""What is drawn in the benchmark, and how much work that is."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import django
import torch

from inference.engine.protocol import GenerateCommand

SUBJECTS = ("circle", "square", "star", "heart", "cross", "moon")
COLOURS = ("red", "blue", "green", "yellow", "purple")
TERA = 1e12


def set_up_django() -> None:
    """Settings, and the shipped policy pinned, so that the gate asks no database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    django.setup()
    from django.conf import settings  # noqa: PLC0415 (only once Django is set up)

    from moderation.kernel import bundles  # noqa: PLC0415

    settings.MODERATION_POLICY = str(bundles.DEFAULT)
    # Without a database there are no allowances to read; the gate says so at every prompt.
    logging.getLogger("moderation").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Task:
    """One picture to draw; side in px."""

    prompt: str
    seed: int
    side: int
    steps: int


def tasks(count: int, *, side: int, steps: int) -> list[Task]:
    """``count`` different pictures."""
    return [
        Task(
            f"a large {COLOURS[n % len(COLOURS)]} {SUBJECTS[n % len(SUBJECTS)]} on a white background",
            n,
            side,
            steps,
        )
        for n in range(count)
    ]


def commands(of: Sequence[Task]) -> list[GenerateCommand]:
    """Orders for the engine, each with a receipt that the gate has really signed."""
    from django.utils.timezone import now  # noqa: PLC0415

    from governance.kernel.ids import uuid7  # noqa: PLC0415
    from moderation.operations.screening import screen_prompt  # noqa: PLC0415

    made = []
    for task in of:
        job_id = uuid7()
        prompt = screen_prompt(text=task.prompt, subject=job_id, organization_id=job_id, at=now())
        made.append(
            GenerateCommand(
                job_id=str(job_id), attempt=1, prompt=task.prompt, prompt_receipt=prompt.receipt,
                width=task.side, height=task.side, steps=task.steps, guidance=0.0, seed=task.seed,
                images=1, output_format="png",
            )
        )  # fmt: skip
    return made


def forward_flop(transformer: Any, tokens: int) -> float:
    """FLOP of one forward: 2 L (3 D^2 + 2 D D_kv + 3 D F) S + 4 L D S^2 (docs/architecture.md)."""
    config = transformer.config
    width = config.attention_head_dim * config.num_attention_heads
    key_width = config.attention_head_dim * config.num_key_value_heads
    linear = 3 * width**2 + 2 * width * key_width + 3 * width * config.intermediate_size
    layers = config.num_layers
    return float(2 * layers * linear * tokens + 4 * layers * width * tokens**2)


def synchronize() -> None:
    """Wait for the device, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], object]) -> float:
    """How long ``call`` and all device work it started take."""
    synchronize()
    started = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - started


def best_seconds(call: Callable[[], object], *, rounds: int) -> float:
    """The fastest of ``rounds``, after one to warm up: noise only ever adds."""
    call()
    return min(seconds_of(call) for _ in range(rounds))


def matmul_tflops(side: int, dtype: torch.dtype, device: torch.device, *, rounds: int) -> float:
    """What a plain matrix product of this size reaches here, in TFLOP/s."""
    left = torch.randn(side, side, device=device).to(dtype)
    right = torch.randn(side, side, device=device).to(dtype)
    return 2 * side**3 / best_seconds(lambda: left @ right, rounds=rounds) / TERA
