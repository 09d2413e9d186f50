"""``manage.py bench_gate``: how fast the gate is on this machine, on one core and on two."""

import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandParser

from moderation.classifiers.protocols import Pixels
from moderation.classifiers.registry import load_image, load_text
from moderation.kernel.bundles import Bundle
from moderation.queries.policies import bundle_at_hand

SUBJECTS = ("a lighthouse", "two cats", "a bowl of ramen", "an old sailor", "a city of glass")
MANNERS = ("in watercolour", "as a woodcut", "at dusk, soft light", "seen from above, in fog")
LONG = ", highly detailed, volumetric light, 35 mm photograph, shallow depth of field" * 4
WARM_UP = 5


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
            default=2000.0,
            help="what one generation takes without the gate, for the share",
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
            self._tell(cores, found, options["generation_ms"])
        self.stdout.write(json.dumps(figures))

    def _in_child(self, cores: int, options: dict[str, Any]) -> dict[str, Any]:
        command = [sys.executable, sys.argv[0], "bench_gate", "--cores", str(cores)]
        for name in ("prompts", "images", "side", "generation_ms"):
            command += [f"--{name.replace('_', '-')}", str(options[name])]
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
        }
        added = found["input"]["total"]["p50_ms"] + found["output"]["total"]["p50_ms"]
        found["added_ms"] = round(added, 2)
        found["added_share"] = round(added / (added + options["generation_ms"]), 4)
        return found

    def _tell(self, cores: int, found: dict[str, Any], generation_ms: float) -> None:
        self.stdout.write(f"{cores} core{'s' if cores > 1 else ''}")
        for stage in ("input", "output"):
            for name, times in found[stage].items():
                self.stdout.write(
                    f"  {stage:<7}{name:<18}{times['per_second']:>9.1f} a second"
                    f"{times['p50_ms']:>9.2f} ms p50{times['p95_ms']:>9.2f} ms p95"
                )
        self.stdout.write(
            f"  adds {found['added_ms']:.1f} ms, {found['added_share']:.1%} of a generation that "
            f"takes {generation_ms:.0f} ms without it"
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


def time_text(bundle: Bundle, texts: list[str]) -> dict[str, dict[str, float]]:
    """Times of each text classifier and of the stage, one prompt after the other."""
    rows: dict[str, list[float]] = {}
    loaded = [(each.name, load_text(each)) for each in bundle.required("input")]
    for text in texts[:WARM_UP] + texts:
        spent = 0.0
        for name, classifier in loaded:
            started = time.perf_counter()
            classifier.read_text(text, sha256="")
            took = time.perf_counter() - started
            rows.setdefault(name, []).append(took)
            spent += took
        rows.setdefault("total", []).append(spent)
    return {name: summary(times[WARM_UP:]) for name, times in rows.items()}


def time_images(bundle: Bundle, pictures: list[Pixels], count: int) -> dict[str, dict[str, float]]:
    """Times of each image classifier and of the stage, one picture after the other."""
    rows: dict[str, list[float]] = {}
    loaded = [(each.name, load_image(each)) for each in bundle.required("output")]
    for number in range(count + 1):
        spent = 0.0
        for name, classifier in loaded:
            started = time.perf_counter()
            classifier.read_image(pictures[number % len(pictures)], sha256="")
            took = time.perf_counter() - started
            rows.setdefault(name, []).append(took)
            spent += took
        rows.setdefault("total", []).append(spent)
    return {name: summary(times[1:]) for name, times in rows.items()}


def summary(times: list[float]) -> dict[str, float]:
    """Rate and percentiles of durations in s, as a second and ms."""
    milliseconds = np.array(times) * 1000
    return {
        "per_second": round(1000 / float(milliseconds.mean()), 1),
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 2),
        "p95_ms": round(float(np.percentile(milliseconds, 95)), 2),
    }
