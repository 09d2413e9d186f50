"""Reference pictures past the gate: hash banks first, then every image classifier of the policy."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from moderation.classifiers.registry import load_image
from moderation.kernel.bundles import Bundle, BundleInvalid, Required
from moderation.kernel.verdicts import Reading, Subject
from moderation.operations.intake import AdmittedMedia
from moderation.operations.media import STAGE, screen_media
from moderation.operations.recording import record_image_decisions
from moderation.operations.refusals import GateRefusal
from moderation.operations.stages import GateUnavailable, StageResult, run_stage
from moderation.queries.policies import in_force

KIND = "reference"


class ReferenceBlocked(GateRefusal):
    """The picture is against the acceptable use policy, or a person would have to look at it."""

    code = "moderation_blocked"
    title = "The picture was refused by the content filter"

    def sentence(self, stage: str, bundle: Bundle, items: list[str]) -> str:  # noqa: ARG002
        """What happened and why, in plain words."""
        named = f" (policy item {', '.join(items)})" if items else ""
        why = bundle.reason(items[0] if items else "")
        return (
            f"The picture was refused by the acceptable use policy{named}. {why} It was not kept. "
            "Nothing was charged."
        )


def screen_reference(
    *, data: bytes, reference_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> AdmittedMedia:
    """The decoded picture, if the banks do not know it and every image classifier allows it.

    The classifiers and thresholds are those that judge generated images. The decision is on record
    before anything is raised; call it outside any transaction. Raises MediaUnusable, MediaBlocked,
    ReferenceBlocked, and GateUnavailable, which may be retried: no answer is never an allowance.
    """
    media = screen_media(
        data=data, job_id=reference_id, organization_id=organization_id, actor=actor, at=at
    )
    bundle = _policy(reference_id)
    result = _judged(media, bundle, reference_id)
    record_image_decisions(
        verdicts=result.verdicts,
        job_id=reference_id,
        organization_id=organization_id,
        actor=actor,
        at=at,
    )
    if result.failures and not result.refused:
        raise GateUnavailable(
            "The content filter gave no usable answer, so the picture was not taken. Try again in "
            "a moment.",
            verdicts=result.verdicts,
            stage=STAGE,
        )
    if not result.outcome.passes:
        raise ReferenceBlocked(result, bundle=bundle, stage=STAGE)
    return media


def _policy(reference_id: UUID) -> Bundle:
    try:
        return in_force().for_job(reference_id)
    except BundleInvalid as failure:
        raise GateUnavailable(f"The content policy cannot be read: {failure}") from failure


def _judged(media: AdmittedMedia, bundle: Bundle, reference_id: UUID) -> StageResult:
    digest = sha256_hex(repr(media.pixels.shape).encode() + media.pixels.tobytes())

    def ask(required: Required) -> Reading:
        return load_image(required).read_image(media.pixels, sha256=digest)

    about = Subject(KIND, digest, reference_id)
    result = run_stage(bundle=bundle, stage="output", subject=about, ask=ask)
    # The same classifiers as for what comes out, on something that comes in.
    return replace(result, verdicts=tuple(replace(each, stage=STAGE) for each in result.verdicts))
