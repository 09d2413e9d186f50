"""``manage.py bench_gate``: how fast the gate is on this machine, on one core and on two."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandParser

from moderation.classifiers import pdq
from moderation.classifiers.protocols import Pixels
from moderation.classifiers.registry import load_image, load_text
from moderation.kernel.bundles import Bundle
from moderation.queries.policies import bundle_at_hand

SUBJECTS = ("a lighthouse", "two cats", "a bowl of ramen", "an old sailor", "a city of glass")
MANNERS = ("in watercolour", "as a woodcut", "at dusk, soft light", "seen from above, in fog")
LONG = ", highly detailed, volumetric light, 35 mm photograph, shallow depth of field" * 4
WARM_UP = 5
Times = dict[str, dict[str, float]]
STAGES = ("input", "output", "known")
#: The tiny model at 128 px on one thread (docs/model-card-tiny.md), a fast GPU, a slow one.
GENERATIONS_MS = [300.0, 2000.0, 8000.0]


class Command(BaseCommand):
    """Measures the classifiers of the policy in force; needs no database."""

    help = "Prompts a second and milliseconds (p50, p95) per stage on one core and two; JSON last."

    def add_arguments(self, parser: CommandParser) -> None:
        """Sizes of the sample, and what a generation takes, for the gate's share of it."""
        parser.add_argument("--prompts", type=int, default=400)
        parser.add_argument("--images", type=int, default=40)
        parser.add_argument("--side", type=int, default=1024, help="side of the pictures, px")
        parser.add_argument(
            "--generation-ms",
            type=float,
            nargs="+",
            default=GENERATIONS_MS,
            help="what generations take without the gate, for the gate's share of them",
        )
        parser.add_argument("--cores", type=int, default=0, help="measure on this many cores only")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Without --cores: runs itself on one core and on two, then prints the JSON."""
        if options["cores"]:
            self._pin(options["cores"])
            self.stdout.write(json.dumps(self._measure(options)))
            return
        figures: dict[str, Any] = {"side": options["side"]}
        for cores in (1, 2):
            found = self._in_child(cores, options)
            figures[f"cores_{cores}"] = found
            self._tell(cores, found)
        self.stdout.write(json.dumps(figures))

    def _in_child(self, cores: int, options: dict[str, Any]) -> dict[str, Any]:
        command = [sys.executable, sys.argv[0], "bench_gate", "--cores", str(cores)]
        for name in ("prompts", "images", "side"):
            command += [f"--{name}", str(options[name])]
        command += ["--generation-ms", *map(str, options["generation_ms"])]
        done = subprocess.run(  # noqa: S603 (this very command)
            command, check=True, stdout=subprocess.PIPE, text=True
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def _pin(self, cores: int) -> None:
        here = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(here[:cores]))

    def _measure(self, options: dict[str, Any]) -> dict[str, Any]:
        bundle = bundle_at_hand()
        texts = [sample_prompt(n) for n in range(options["prompts"])]
        pictures = [sample_picture(n, options["side"]) for n in range(4)]
        found: dict[str, Any] = {
            "input": time_text(bundle, texts),
            "output": time_images(bundle, pictures, options["images"]),
            "known": time_banks(pictures, options["images"]),
        }
        added = sum(found[stage]["total"]["p50_ms"] for stage in STAGES)
        found["added_ms"] = round(added, 2)
        found["added_share"] = {
            f"{each:.0f}": round(added / (added + each), 4) for each in options["generation_ms"]
        }
        return found

    def _tell(self, cores: int, found: dict[str, Any]) -> None:
        self.stdout.write(f"{cores} core{'s' if cores > 1 else ''}")
        for stage in STAGES:
            for name, times in found[stage].items():
                self.stdout.write(
                    f"  {stage:<7}{name:<18}{times['per_second']:>9.1f} a second"
                    f"{times['p50_ms']:>9.2f} ms p50{times['p95_ms']:>9.2f} ms p95"
                    f"{times['cpu_ms']:>9.2f} ms of a core"
                )
        for generation_ms, share in found["added_share"].items():
            self.stdout.write(
                f"  adds {found['added_ms']:.1f} ms, {share:.1%} of a generation that takes "
                f"{generation_ms} ms without it"
            )


def sample_prompt(number: int) -> str:
    """An ordinary prompt; every eighth is long."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    manner = MANNERS[number // len(SUBJECTS) % len(MANNERS)]
    return f"{subject} {manner}, study {number}" + (LONG if number % 8 == 0 else "")


def sample_picture(number: int, side: int) -> Pixels:
    """A smooth coloured picture with some noise."""
    rng = np.random.default_rng(number)
    ys, xs = np.mgrid[:side, :side] / side
    planes = [np.sin(6 * xs + number), np.cos(4 * ys), np.sin(3 * (xs + ys))]
    picture = (np.stack(planes, axis=-1) * 100 + 128).clip(0, 255) + rng.normal(
        0, 3, (side, side, 3)
    )
    pixels: Pixels = picture.clip(0, 255).astype(np.uint8)
    return pixels


def time_text(bundle: Bundle, texts: list[str]) -> Times:
    """Times of each text classifier and of the stage, one prompt after the other."""
    calls = {
        each.name: partial(load_text(each).read_text, sha256="")
        for each in bundle.required("input")
    }
    return time_stage(calls, texts[:WARM_UP] + texts)


def time_images(bundle: Bundle, pictures: list[Pixels], count: int) -> Times:
    """Times of each image classifier and of the stage, one picture after the other."""
    calls = {
        each.name: partial(load_image(each).read_image, sha256="")
        for each in bundle.required("output")
    }
    return time_stage(calls, [pictures[n % len(pictures)] for n in range(count + WARM_UP)])


def time_banks(pictures: list[Pixels], count: int) -> Times:
    """Times of the perceptual hash in eight orientations, as the banks are asked with it."""
    subjects = [pictures[n % len(pictures)] for n in range(count + WARM_UP)]
    return time_stage({"hash-banks": pdq.pdq_of_orientations}, subjects)


def time_stage(calls: Mapping[str, Callable[[Any], object]], subjects: Sequence[Any]) -> Times:
    """Times of each call and of all together; the first WARM_UP subjects do not count."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in (*calls, "total")}
    for subject in subjects:
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call(subject)
            rows[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        together = [rows[name][-1] for name in calls]
        rows["total"].append((sum(w for w, _ in together), sum(c for _, c in together)))
    return {name: summary(times[WARM_UP:]) for name, times in rows.items()}


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Rate and percentiles of durations in s, as a second and ms; `cpu_ms` is the median time on a
    processor, which a busy machine does not change."""
    wall, cpu = np.array(times).T * 1000
    return {
        "per_second": round(1000 / float(wall.mean()), 1),
        "p50_ms": round(float(np.percentile(wall, 50)), 2),
        "p95_ms": round(float(np.percentile(wall, 95)), 2),
        "cpu_ms": round(float(np.percentile(cpu, 50)), 2),
    }
