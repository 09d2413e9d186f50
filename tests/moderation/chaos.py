"""A house in little for fault injection: jobs go from a prompt to stored bytes while things break.

Every fault is drawn from a seeded generator or from the subject's own hash, so a run repeats exactly.
The oracle at the end looks only at what lies in storage.
"""

import io
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from django.test import override_settings
from PIL import Image

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from moderation.kernel.bundles import parse
from moderation.kernel.verdicts import Reading
from moderation.operations.release import release_image, verify_receipt
from moderation.operations.screening import restore_screened_prompt, screen_prompt
from moderation.provenance import credentials, watermark
from tests.moderation import fakes
from tests.moderation.conftest import AT

CLASSIFIER_FAULTS = (
    *("none",) * 8,
    *("raises", "hangs", "nan", "infinite", "negative", "no labels", "more labels"),
    *("wrong order", "late", "twice", "nothing", "exits"),
)
JOB_FAULTS = (
    *("none",) * 8,
    *("policy changed", "policy gone", "receipt replayed", "prompt swapped", "outcome forged"),
    *("job swapped", "attempt swapped", "bytes swapped", "clock skew", "database gone"),
    *("encoder swaps", "encoder fails", "pixels broken", "key changed", "delivered twice"),
)
LIMIT_MS = 150
SIDE = 64


class Chaotic(fakes.Sound):
    """A sound classifier that breaks on some subjects, each in the way its hash says."""

    name = "faulty"
    previous = "0" * 64

    def read_text(self, text, *, sha256):
        return self._break(sha256, super().read_text(text, sha256=sha256))

    def read_image(self, pixels, *, sha256):
        return self._break(sha256, super().read_image(pixels, sha256=sha256))

    def _break(self, sha256, reading):
        fault = fault_of(sha256)
        other, self.previous = self.previous, sha256
        scores = reading.scores
        if fault == "raises":
            raise RuntimeError("broken")
        if fault == "exits":
            raise SystemExit(0)
        if fault == "hangs":
            fakes.HANG.wait(1)
        if fault == "late":
            time.sleep(LIMIT_MS / 1000 + 0.05)
        if fault == "nothing":
            return None
        if fault == "twice":
            return (reading, reading)
        if fault == "wrong order":
            return Reading(subject_sha256=other, scores={"harm": 0.0})
        changed = {
            "nan": {"harm": float("nan")},
            "infinite": {"harm": float("-inf")},
            "negative": {"harm": -0.5},
            "no labels": {},
            "more labels": {**scores, "other": 0.0},
        }
        return Reading(subject_sha256=sha256, scores=changed.get(fault, scores))


def fault_of(sha256):
    """The classifier's fault on the subject with this hash; slow faults are one in sixteen of them."""
    number = int(sha256[:8], 16)
    fault = CLASSIFIER_FAULTS[number % len(CLASSIFIER_FAULTS)]
    return "raises" if fault in {"hangs", "late"} and number // 97 % 16 else fault


@dataclass
class House:
    """Storage, decisions log and what may go wrong on the way there."""

    gate: object
    rng: np.random.Generator
    record: object = None
    log: dict = field(default_factory=dict)
    storage: list = field(default_factory=list)
    outcomes: Counter = field(default_factory=Counter)
    last: tuple = None
    policies: int = 0

    def run(self, number):
        """One job; whatever the gate raises ends it."""
        fault = JOB_FAULTS[self.rng.integers(len(JOB_FAULTS))]
        text = f"scene {number}" + self._spice()
        try:
            with override_settings(RECEIPT_KEY=b"a key for tests"):
                self._job(number, text, fault)
        except (DomainError, ValueError, ConnectionError) as refusal:
            self.outcomes[f"{type(refusal).__name__}"] += 1
        else:
            self.outcomes["released"] += 1

    def _spice(self):
        roll = self.rng.random()
        return " forbidden" if roll < 0.08 else " doubtful" if roll < 0.16 else ""

    def _job(self, number, text, fault):
        job, tenant = uuid7(), uuid7()
        at = AT + timedelta(days=int(self.rng.integers(-4000, 4000)) * (fault == "clock skew"))
        prompt = screen_prompt(text=text, subject=job, organization_id=tenant, at=at)
        self._write(prompt.verdicts, fault)
        receipt = self._receipt(prompt, fault)
        if fault == "prompt swapped":
            text = f"scene {number} forbidden"
        if fault in {"policy changed", "policy gone"}:
            self.change_policy(keep=fault == "policy changed")
        asked = uuid7() if fault == "job swapped" else job
        key = b"another key" if fault == "key changed" else b"a key for tests"
        with override_settings(RECEIPT_KEY=key):
            restored = restore_screened_prompt(text=text, receipt=receipt, job_id=asked)
        image = release_image(
            pixels=self._pixels(number, fault),
            encode=encoder(fault),
            prompt=restored,
            job_id=job,
            attempt=1,
            index=0,
            release_slug="krea-2-tiny-turbo",
        )
        self._write(image.verdicts, "none")
        for _ in range(2 if fault == "delivered twice" else 1):
            self.store(
                image.data, image.receipt, job, 2 if fault == "attempt swapped" else 1, fault
            )

    def _receipt(self, prompt, fault):
        replayed, self.last = self.last, prompt.receipt
        if fault == "receipt replayed" and replayed:
            return replayed
        if fault == "outcome forged":
            return {**prompt.receipt, "policy": {"version": "lax", "hash": "0" * 64}}
        return prompt.receipt

    def _pixels(self, number, fault):
        if fault == "pixels broken":
            return np.zeros((SIDE, SIDE, 3), np.uint8)
        roll = self.rng.random()
        level = 30 if roll < 0.1 else 100 if roll < 0.2 else 200
        picture = np.full((SIDE, SIDE, 3), level, np.uint8)
        picture[: SIDE // 2] += 20
        picture[-1, -4:, 0] = [number >> shift & 15 for shift in (0, 4, 8, 12)]
        return picture

    def _write(self, verdicts, fault):
        if fault == "database gone":
            raise ConnectionError("the database is gone")
        if self.record is not None:
            self.record(verdicts)
        self.log.setdefault(verdicts[0].decision_id, verdicts)

    def store(self, data, receipt, job, attempt, fault):
        """What storage does: verify, then keep; one place is filled once."""
        if fault == "bytes swapped":
            data = encoder("none")(np.zeros((SIDE, SIDE, 3), np.uint8))
        verify_receipt(
            data_sha256=sha256_hex(data), receipt=receipt, job_id=job, attempt=attempt, index=0
        )
        if (job, attempt) not in [(each[1], each[2]) for each in self.storage[-2:]]:
            self.storage.append((data, job, attempt, receipt))

    def change_policy(self, *, keep):
        """Another policy goes live; the machine may or may not still have the old one."""
        folder = self.gate.folder / "policies"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
        if keep:
            (folder / f"{parse(self.gate.document).hash}.json").write_text(self.gate.text)
        self.policies += 1
        self.gate.use(**chaos_policy(self.policies))


def chaos_policy(number):
    """A policy that requires a sound and a chaotic classifier at both stages."""
    return {
        "faulty": Chaotic,
        "document": fakes.document(
            input_names=("faulty", "sound"),
            output_names=("sound", "faulty"),
            version=f"chaos/{number}",
            timeout_ms=LIMIT_MS,
        ),
    }


def encoder(fault):
    """PNG, or what a broken or treacherous encoder does."""

    def encode(pixels):
        if fault == "encoder fails":
            raise ValueError("disk full")
        shown = 255 - pixels if fault == "encoder swaps" else pixels
        buffer = io.BytesIO()
        Image.fromarray(shown).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    return encode


def wrongly_released(house):
    """What lies in storage and should not, in words: the oracle of the fault injection."""
    return [complaint for each in house.storage for complaint in complaints(house, *each)]


def complaints(house, data, job, attempt, receipt):
    """Everything that is wrong with one stored image; looks at pixels, log and receipt."""
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    image = house.log.get(receipt["decision"], ())
    prompt = house.log.get(receipt["prompt_decision"], ())
    policies = {each.policy_hash for each in (*image, *prompt)}
    yield from unmarked(data, pixels, receipt)
    if pixels.mean() < 128:
        yield "the picture is against the policy"
    if {each.detector for each in image} != {"sound", "faulty"}:
        yield "not every required classifier judged the picture"
    if {each.detector for each in prompt} != {"sound", "faulty"}:
        yield "not every required classifier judged the prompt"
    if any(each.status != "done" or not each.outcome.passes for each in (*image, *prompt)):
        yield "a verdict is missing or did not allow it"
    if policies != {receipt["policy"]["hash"]}:
        yield "more than one policy judged it"
    if any("broken" in each.error for each in (*image, *prompt)):
        yield "a broken classifier let it pass"
    if any(fault_of(each.subject_sha256) != "none" for each in (*image, *prompt)):
        yield "the chaotic classifier broke on it"


def unmarked(data, pixels, receipt):
    """What is missing of a stored image's provenance, read from its bytes alone."""
    found = watermark.read(pixels)
    if found is None or f"{found.mark:012x}" != receipt["provenance"]["watermark"]:
        yield "the picture does not carry its watermark"
    held = credentials.read(data, "image/png")
    if held.state != "trusted" or not held.ours:
        yield "the file does not carry our credentials"
