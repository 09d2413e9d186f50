"""The draft of a report to the authority on a child-safety case: facts alone, never content.

Follows the parts of a CyberTipline report (18 USC 2258A): incident, reporter, who is reported, what is
preserved. A person completes and files it; Licet sends nothing.
"""

from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.operations import audit
from moderation.models import Evidence, Judgement, PreservationHold, ReviewCase

ITEM = "1"


@transaction.atomic
def draft_report(*, case_id: UUID, actor: Actor) -> dict[str, Any]:
    """The draft as JSON; each one is in the audit log. Raises NotFound for any other kind of case."""
    case = ReviewCase.objects.select_related("decision").filter(id=case_id, item=ITEM).first()
    if case is None:
        raise NotFound("There is no child-safety case of that id.")
    decision = case.decision
    evidence = list(Evidence.objects.filter(decision_id=decision.id).order_by("id"))
    holds = PreservationHold.objects.filter(evidence__in=evidence, released_at__isnull=True)
    audit.record(
        act="child_safety.report_drafted",
        actor=actor,
        organization_id=decision.organization_id,
        subject_kind="case",
        subject_id=case.id,
        facts={"decision": str(decision.id)},
    )
    return {
        "draft": True,
        "incident": {
            "type": "apparent child sexual abuse material, generated or asked for",
            "generative_ai": True,
            "at": decision.at.isoformat(),
            "stage": decision.stage,
            "subject": decision.subject_kind,
            "sha256": decision.subject_sha256,
            "refused_before_delivery": decision.outcome not in {"allow", "label"},
        },
        "reported": {
            "organization": str(decision.organization_id),
            "kind": decision.actor_kind,
            "id": decision.actor_id,
            "job": str(decision.job_id),
        },
        "found_by": {
            "decision": str(decision.id),
            "policy": decision.policy_version,
            "policy_sha256": decision.policy_hash,
            "classifiers": list(
                decision.verdicts.order_by("id").values_list("detector", flat=True)
            ),
            "people": _judgements(case),
        },
        "preserved": [
            {"evidence": str(hold.evidence_id), "until_at_least": hold.not_before.isoformat()}
            for hold in holds.order_by("id")
        ],
        "to_complete": [
            "name and contact of the reporting company",
            "name, e-mail and addresses of the reported person, from the account",
            "anything that makes it urgent",
        ],
    }


def _judgements(case: ReviewCase) -> list[dict[str, str]]:
    found = Judgement.objects.filter(case=case).order_by("at")
    return [{"finding": each.verdict, "at": each.at.isoformat()} for each in found]
