"""Showing a prompt to somebody who reads for others: with a reason, and on record."""

from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.operations import audit
from inference.queries.generations import GenerationDetail, generation_of

LONGEST = 500


class JustificationMissing(DomainError):
    """A masked prompt is opened for a reason only."""

    code = "justification_missing"
    title = "A justification is needed"
    status = 400


@transaction.atomic
def unmask_prompt(
    *, organization_id: UUID, generation_id: UUID, justification: str, actor: Actor
) -> GenerationDetail:
    """The generation with its prompt; who asked and why is logged. Raises NotFound, JustificationMissing."""
    if not justification.strip():
        raise JustificationMissing("Say why you read this prompt; it is logged with your name.")
    detail = generation_of(organization_id, generation_id)
    audit.record(
        act="prompt.unmasked",
        actor=actor,
        organization_id=organization_id,
        subject_kind="generation",
        subject_id=generation_id,
        facts={"justification": justification.strip()[:LONGEST]},
    )
    return detail
