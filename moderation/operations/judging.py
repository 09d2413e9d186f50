"""Judging without consequence: a labelled text, recorded scores, a policy on trial."""

from collections.abc import Iterable
from dataclasses import replace

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.registry import load_text
from moderation.kernel.bundles import Bundle, Required
from moderation.kernel.outcomes import Outcome, worst
from moderation.kernel.verdicts import HASH_BANKS, Reading, Verdict, check_reading, judge
from moderation.models import VerdictRow
from moderation.operations.stages import StageResult


def text_outcome(text: str, bundle: Bundle) -> Outcome:
    """What ``bundle`` says to ``text``; raises what a classifier raises. Writes nothing."""
    digest = sha256_hex(text.encode(errors="replace"))
    found = []
    for required in bundle.required("input"):
        reading = load_text(required).read_text(text, sha256=digest)
        check_reading(reading, subject_sha256=digest, labels=required.labels)
        found.append(judge(reading, required)[0])
    return worst(found)


def replayed_outcome(
    stage: str, verdicts: Iterable[VerdictRow | Verdict], bundle: Bundle
) -> tuple[Outcome | None, str]:
    """What ``bundle`` would have said to recorded scores, and the item; None where it cannot be told
    because another classifier, or another version, gave them, or none did. What the hash banks said
    stands under every policy."""
    by_name = {each.detector: each for each in verdicts}
    found: list[tuple[Outcome, str]] = []
    for required in bundle.stages.get(stage, ()):
        recorded = by_name.get(required.name)
        if recorded is None or recorded.status != "done" or not _same(recorded, required):
            return None, ""
        found.append(judge(_reading(recorded), required))
    if not found:
        return None, ""
    banks = by_name.get(HASH_BANKS)
    if banks is not None:
        found.append((Outcome(banks.outcome), banks.item))
    return max(found, key=lambda pair: pair[0].severity)


def with_shadow(result: StageResult, shadow: Bundle | None) -> StageResult:
    """``result`` with what the policy on trial would have said, as a fact of its first verdict.

    Judges the same scores, so that it costs nothing and can change nothing.
    """
    if shadow is None or not result.verdicts:
        return result
    first, *others = result.verdicts
    outcome, item = replayed_outcome(first.stage, result.verdicts, shadow)
    trial = {"policy": shadow.hash, "outcome": str(outcome or ""), "item": item}
    marked = replace(first, facts={**first.facts, "shadow": trial})
    return StageResult(result.decision_id, (marked, *others))


def _same(recorded: VerdictRow | Verdict, required: Required) -> bool:
    pins = (recorded.detector_version, recorded.weights_sha256)
    return pins == (required.version, required.weights_sha256) and set(recorded.scores) == set(
        required.labels
    )


def _reading(recorded: VerdictRow | Verdict) -> Reading:
    """The recorded answer. What rules inside the classifier asked for stays: a policy adds to it.

    Where the old policy's thresholds made the outcome, only the scores count.
    """
    own = recorded.facts.get("floor")
    floor = Outcome(own) if own else Outcome.ALLOW
    item = recorded.item if own and not floor.passes else ""
    return Reading("", recorded.scores, outcome=floor, item=item)
