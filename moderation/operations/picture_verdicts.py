"""A picture that comes in, judged by the classifiers that judge what the model draws."""

from dataclasses import replace
from uuid import UUID

from moderation.classifiers.protocols import Pixels
from moderation.classifiers.registry import load_image
from moderation.kernel.bundles import Bundle, BundleInvalid, Required
from moderation.kernel.verdicts import Reading, Subject
from moderation.operations.media import STAGE
from moderation.operations.refusals import GateRefusal
from moderation.operations.stages import GateUnavailable, StageResult, run_stage
from moderation.queries.policies import in_force


def policy_for(subject: UUID) -> Bundle:
    """The bundle in force for ``subject``. Raises GateUnavailable when it cannot be read."""
    try:
        return in_force().for_job(subject)
    except BundleInvalid as failure:
        raise GateUnavailable(f"The content policy cannot be read: {failure}") from failure


def judge_picture(
    *, pixels: Pixels, digest: str, kind: str, bundle: Bundle, subject: UUID
) -> StageResult:
    """The verdicts of every image classifier of the output stage, recorded as of the stage ``media``."""

    def ask(required: Required) -> Reading:
        return load_image(required).read_image(pixels, sha256=digest)

    about = Subject(kind, digest, subject)
    result = run_stage(bundle=bundle, stage="output", subject=about, ask=ask)
    return replace(result, verdicts=tuple(replace(each, stage=STAGE) for each in result.verdicts))


def require_allowed(result: StageResult, *, bundle: Bundle, refusal: type[GateRefusal]) -> None:
    """Raises ``refusal`` unless the picture passes, GateUnavailable when a classifier gave no answer.

    What a person would have to look at does not pass: nobody waits for a review of an upload.
    """
    if result.failures and not result.refused:
        names = ", ".join(verdict.detector for verdict in result.failures)
        raise GateUnavailable(
            f"The content filter ({names}) gave no usable answer, so the picture was not taken. "
            "Try again in a moment.",
            verdicts=result.verdicts,
            stage=STAGE,
        )
    if not result.outcome.passes:
        raise refusal(result, bundle=bundle, stage=STAGE)
