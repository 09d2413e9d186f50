"""Generated pictures against the hash banks: the last look before a picture is stored.

The engine has no database, so the worker that holds its answer asks the banks. What was removed, or is
known from outside, does not come back by drawing it again.
"""

import io
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from PIL import Image

from governance.kernel.ids import uuid7
from moderation.classifiers import pdq
from moderation.kernel.outcomes import Outcome
from moderation.kernel.verdicts import HASH_BANKS, Verdict, verdict_from_json
from moderation.operations.media import ITEMS
from moderation.operations.refusals import refusal_facts
from moderation.operations.release import ReceiptInvalid
from moderation.queries.banks import BankHit, BankState, bank_state, hit_by_sha256, hits_by_pixels

VERSION = "pdq-1"
BLOCK_FROM = round(1 - pdq.NEAR / pdq.BITS, 4)
REASON = "The picture is known to the hash banks."


class KnownPicture(Exception):
    """The picture must not leave. ``verdicts`` are all of its decision, the bank's one last."""

    code = "moderation_blocked"

    def __init__(self, verdicts: tuple[dict[str, Any], ...], item: str) -> None:
        super().__init__(
            "The generated image was refused by the acceptable use policy. Nothing was charged."
        )
        self.verdicts = verdicts
        decision = UUID(verdicts[0]["decision_id"])
        self.facts = refusal_facts(stage="output", items=[item], decision_id=decision)


def screen_known(
    *, data: bytes, sha256: str, verdicts: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], ...]:
    """``verdicts`` of a released image and the banks' own, which allowed it (an empty bank too).

    ``data`` is the file as the engine encoded it, ``verdicts`` the JSON it sent. Raises KnownPicture,
    and ReceiptInvalid when no classifier has judged it. A database that is away raises too: nothing
    is stored then. May be repeated.
    """
    if not verdicts:
        raise ReceiptInvalid("No classifier has judged this image.")
    started = time.monotonic()
    state = bank_state()
    hit = _hit(data, sha256, state)
    verdict = _verdict(verdict_from_json(verdicts[0]), hit, state, _since(started))
    everything = (*(dict(each) for each in verdicts), verdict.as_json())
    if not verdict.outcome.passes:
        raise KnownPicture(everything, verdict.item)
    return everything


def look_of(data: bytes) -> str:
    """The perceptual hash of one of our own files, as 64 hexadecimal digits; empty when it shows too
    little to compare."""
    with Image.open(io.BytesIO(data)) as image:
        found = pdq.pdq(np.asarray(image.convert("RGB")))
    return found.hex if found.quality >= pdq.LEAST_QUALITY else ""


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _hit(data: bytes, sha256: str, state: BankState) -> BankHit | None:
    exact = hit_by_sha256(sha256)
    if exact is not None:
        return exact
    if not state.perceptual:
        return None
    with Image.open(io.BytesIO(data)) as image:
        found = hits_by_pixels(np.asarray(image.convert("RGB")))
    return found[0] if found else None


def _verdict(first: Verdict, hit: BankHit | None, state: BankState, latency_ms: int) -> Verdict:
    stopped = hit is not None and hit.bank != "allow"
    outcome, item = Outcome.ALLOW, ""
    if stopped and hit is not None:
        outcome = Outcome.REPORT if hit.bank == "child_safety" else Outcome.BLOCK
        item = ITEMS[hit.bank]
    return Verdict(
        id=str(uuid7()),
        decision_id=first.decision_id,
        stage=first.stage,
        subject_kind=first.subject_kind,
        subject_sha256=first.subject_sha256,
        attempt=first.attempt,
        index=first.index,
        policy_version=first.policy_version,
        policy_hash=first.policy_hash,
        detector=HASH_BANKS,
        detector_version=VERSION,
        weights_sha256=state.sha256,
        status="done",
        outcome=outcome,
        item=item,
        reason=REASON if stopped else "",
        scores={"known": 0.0 if hit is None else round(1 - hit.distance / pdq.BITS, 4)},
        thresholds={"known": {"review": BLOCK_FROM, "block": BLOCK_FROM}},
        latency_ms=latency_ms,
        facts={} if hit is None else {"bank": hit.bank, "by": hit.by, "distance": hit.distance},
    )
