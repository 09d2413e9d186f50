"""The shipped text gate (moderation/classifiers/text) behind the Protocol of the stages."""

from moderation.classifiers.protocols import ClassifierBroken
from moderation.classifiers.text.gate import TextGate
from moderation.kernel.outcomes import Outcome
from moderation.kernel.verdicts import Reading


class PromptGate:
    """Its calibrated thresholds are part of its weights; the policy may only add stricter ones."""

    name = "licet-text-gate"

    def __init__(self) -> None:
        self._gate = TextGate.load()
        self.version = str(self._gate.version)
        self.weights_sha256 = str(self._gate.weights_sha256)
        self._thresholds = {
            item: {"review": pair.review, "block": pair.block}
            for item, pair in self._gate.thresholds.items()
        }

    def read_text(self, text: str, *, sha256: str) -> Reading:
        """A score for each policy item, and the outcome that its rules and thresholds give."""
        found = self._gate.classify(text)
        return Reading(
            subject_sha256=sha256,
            scores={str(item): float(score) for item, score in found.scores.items()},
            outcome=Outcome(str(found.outcome)),
            item=str(found.item or ""),
            reasons=tuple(found.reasons),
            facts={"language": found.language},
            thresholds=self._thresholds,
        )

    def self_test(self) -> str:
        """The gate's own canaries. Raises ClassifierBroken."""
        try:
            self._gate.self_test()
        except Exception as failure:
            raise ClassifierBroken(f"the text gate fails its canaries: {failure}") from failure
        return "canaries score as recorded"
