"""Reference pictures past the gate: hash banks first, then every image classifier of the policy."""

from datetime import datetime
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from moderation.kernel.bundles import Bundle
from moderation.operations.intake import AdmittedMedia
from moderation.operations.media import screen_media
from moderation.operations.picture_verdicts import judge_picture, policy_for, require_allowed
from moderation.operations.recording import record_image_decisions
from moderation.operations.refusals import GateRefusal

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
    bundle = policy_for(reference_id)
    result = judge_picture(
        pixels=media.pixels,
        digest=sha256_hex(repr(media.pixels.shape).encode() + media.pixels.tobytes()),
        kind=KIND,
        bundle=bundle,
        subject=reference_id,
    )
    record_image_decisions(
        verdicts=result.verdicts,
        job_id=reference_id,
        organization_id=organization_id,
        actor=actor,
        at=at,
    )
    require_allowed(result, bundle=bundle, refusal=ReferenceBlocked)
    return media
