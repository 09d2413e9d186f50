"""Screening what reaches the text encoder, before anything is paid for or generated."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import InvalidRequest
from moderation.classifiers.registry import load_text
from moderation.kernel import passes, receipts
from moderation.kernel.bundles import Bundle, BundleInvalid, Required
from moderation.kernel.passes import Policy, ScreenedPrompt
from moderation.kernel.receipts import ReceiptInvalid
from moderation.kernel.similarity import simhash
from moderation.kernel.verdicts import Reading, Subject
from moderation.operations.judging import with_shadow
from moderation.operations.overturns import allowed_after_all, allowed_pictures, with_allowance
from moderation.operations.recording import record_prompt_decision
from moderation.operations.refusals import GateRefusal, PromptBlocked, PromptHeld
from moderation.operations.stages import GateUnavailable, StageResult, run_stage
from moderation.operations.waivers import waiver_of
from moderation.queries.policies import InForce, in_force

__all__ = [
    "GateRefusal",
    "GateUnavailable",
    "PromptBlocked",
    "PromptHeld",
    "ReceiptInvalid",
    "ScreenedPrompt",
    "record_prompt_decision",
    "restore_screened_prompt",
    "screen_prompt",
]
KIND = "prompt"


def screen_prompt(
    *, text: str, kind: str = KIND, subject: UUID, organization_id: UUID, at: datetime
) -> ScreenedPrompt:
    """Let every required classifier read ``text`` for the job ``subject``.

    Call it outside any transaction; it writes nothing. ``kind`` is prompt, negative, expanded or
    trigger: all that reaches the encoder. Raises PromptBlocked, PromptHeld, InvalidRequest (the
    text is no Unicode), and GateUnavailable, which may be retried: no answer is never an allowance.
    """
    digest = _text_sha256(text)
    policies = _in_force()
    bundle = policies.for_job(subject)

    def ask(required: Required) -> Reading:
        return load_text(required).read_text(text, sha256=digest)

    about = Subject(kind, digest, subject, facts={"simhash": simhash(text)})
    result = run_stage(bundle=bundle, stage="input", subject=about, ask=ask)
    result = with_shadow(result, policies.shadow)
    if not result.outcome.passes and allowed_after_all(
        sha256=digest, organization_id=organization_id, kind=kind, at=at
    ):
        result = with_allowance(result, allowed=[digest])
    _raise_unless_allowed(result, bundle, text)
    receipt = receipts.sign(
        {
            "v": 1,
            "kind": kind,
            "job": str(subject),
            "organization": str(organization_id),
            "text_sha256": digest,
            "policy": {"version": bundle.version, "hash": bundle.hash},
            "decision": str(result.decision_id),
            "outcome": str(result.outcome),
            "verdicts": [verdict.as_evidence() for verdict in result.verdicts],
            "allowed_pixels": allowed_pictures(organization_id=organization_id, at=at),
            "provenance_waiver": waiver_of(organization_id=organization_id, at=at),
            "at": at.isoformat(),
        },
        key=settings.RECEIPT_KEY,
    )
    return passes.seal_prompt(
        bundle=bundle,
        verdicts=result.verdicts,
        text=text,
        text_sha256=digest,
        kind=kind,
        job_id=subject,
        decision_id=result.decision_id,
        receipt=receipt,
    )


def restore_screened_prompt(
    *, text: str, receipt: Mapping[str, Any], job_id: UUID
) -> ScreenedPrompt:
    """The screened prompt of a job, from its row, in another process. Raises ReceiptInvalid.

    Whether the policy named in it is at hand shows when an image is to be released under it.
    """
    verify_prompt_receipt(text=text, receipt=receipt, job_id=job_id)
    return passes.reseal_prompt(
        policy=Policy(**receipt["policy"]),
        text=text,
        text_sha256=receipt["text_sha256"],
        kind=receipt["kind"],
        job_id=job_id,
        decision_id=UUID(receipt["decision"]),
        receipt=dict(receipt),
    )


def verify_prompt_receipt(*, text: str, receipt: Mapping[str, Any], job_id: UUID) -> None:
    """Raises ReceiptInvalid unless the gate allowed exactly this text for exactly this job."""
    receipts.verify(
        receipt,
        key=settings.RECEIPT_KEY,
        expected={"v": 1, "job": str(job_id), "text_sha256": _text_sha256(text)},
    )
    if receipt.get("outcome") not in {"allow", "label"}:
        raise ReceiptInvalid("The receipt does not allow this prompt.")


def _in_force() -> InForce:
    try:
        return in_force()
    except BundleInvalid as failure:
        raise GateUnavailable(f"The content policy cannot be read: {failure}") from failure


def _raise_unless_allowed(result: StageResult, bundle: Bundle, text: str) -> None:
    if result.refused:
        raise PromptBlocked(result, bundle=bundle, stage="input", text=text)
    if result.failures:
        names = ", ".join(verdict.detector for verdict in result.failures)
        raise GateUnavailable(
            f"The content filter ({names}) gave no usable answer, so the prompt was not accepted. "
            "Nothing was charged. Try again in a moment.",
            verdicts=result.verdicts,
            stage="input",
        )
    if not result.outcome.passes:
        raise PromptHeld(result, bundle=bundle, stage="input", text=text)


def _text_sha256(text: str) -> str:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as failure:
        raise InvalidRequest(
            "The prompt holds half of a surrogate pair, which is no character.", param="prompt"
        ) from failure
    if "\0" in text:
        raise InvalidRequest("The prompt holds a NUL character.", param="prompt")
    return sha256_hex(encoded)
