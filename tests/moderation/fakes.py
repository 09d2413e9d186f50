"""Classifiers with one fault each, for injecting into the gate, and bundles that require them."""

import json
import threading

from moderation.kernel import bundles
from moderation.kernel.outcomes import Outcome
from moderation.kernel.verdicts import Reading

WEIGHTS = "f" * 64
HANG = threading.Event()


class Sound:
    """Works: the word "forbidden" scores 0.95, "doubtful" 0.6; dark pictures 0.95, gray ones 0.6."""

    name, version, weights_sha256 = "sound", "1", WEIGHTS

    def self_test(self):
        return "sound"

    def read_text(self, text, *, sha256):
        score = 0.95 if "forbidden" in text else 0.6 if "doubtful" in text else 0.01
        return Reading(subject_sha256=sha256, scores={"harm": score})

    def read_image(self, pixels, *, sha256):
        mean = float(pixels.mean())
        score = 0.95 if mean < 64 else 0.6 if mean < 128 else 0.01
        return Reading(subject_sha256=sha256, scores={"harm": score})


class Faulty(Sound):
    """Answers what ``answer`` gives, for text and for images alike."""

    name = "faulty"

    def answer(self, sha256):
        raise NotImplementedError

    def read_text(self, text, *, sha256):
        return self.answer(sha256)

    def read_image(self, pixels, *, sha256):
        return self.answer(sha256)


class Raises(Faulty):
    def answer(self, sha256):
        raise RuntimeError("out of memory")

    def self_test(self):
        raise RuntimeError("out of memory")


class Hangs(Faulty):
    def answer(self, sha256):
        HANG.wait(20)
        return Reading(subject_sha256=sha256, scores={"harm": 0.0})


class AnswersNaN(Faulty):
    def answer(self, sha256):
        return Reading(subject_sha256=sha256, scores={"harm": float("nan")})


class AnswersAboveOne(Faulty):
    def answer(self, sha256):
        return Reading(subject_sha256=sha256, scores={"harm": 1.5})


class AnswersNothing(Faulty):
    def answer(self, sha256):
        return None


class LacksLabels(Faulty):
    def answer(self, sha256):
        return Reading(subject_sha256=sha256, scores={})


class AddsLabels(Faulty):
    def answer(self, sha256):
        return Reading(subject_sha256=sha256, scores={"harm": 0.0, "more": 0.0})


class AnswersForAnother(Faulty):
    def answer(self, sha256):
        return Reading(subject_sha256="0" * 64, scores={"harm": 0.0})


class OtherVersion(Sound):
    name, version = "faulty", "2"


class OtherWeights(Sound):
    name, weights_sha256 = "faulty", "e" * 64


class ExitsTheProcess(Faulty):
    def answer(self, sha256):
        raise SystemExit(0)


class RulesSayBlock(Faulty):
    def answer(self, sha256):
        return Reading(
            subject_sha256=sha256,
            scores={"harm": 0.0},
            outcome=Outcome.BLOCK,
            item="1",
            reasons=("a rule",),
        )


FAULTS = [
    Raises,
    Hangs,
    AnswersNaN,
    AnswersAboveOne,
    AnswersNothing,
    LacksLabels,
    AddsLabels,
    AnswersForAnother,
    OtherVersion,
    OtherWeights,
    ExitsTheProcess,
]


def path_of(fake):
    return f"{fake.__module__}.{fake.__qualname__}"


def required(name, *, timeout_ms=2000, items=("7",)):
    return {
        "name": name,
        "version": "1",
        "weights_sha256": WEIGHTS,
        "timeout_ms": timeout_ms,
        "items": list(items),
        "labels": ["harm"],
        "thresholds": {"harm": {"item": items[0], "review_milli": 500, "block_milli": 900}},
    }


def document(*, input_names=("sound",), output_names=("sound",), version="test/1", **options):
    """A policy in the shipped format that requires the fakes of these names."""
    shipped = json.loads(bundles.DEFAULT.read_text())
    return {
        "format": 1,
        "version": version,
        "items": shipped["items"],
        "stages": {
            "input": {"classifiers": [required(name, **options) for name in input_names]},
            "output": {"classifiers": [required(name, **options) for name in output_names]},
        },
    }
