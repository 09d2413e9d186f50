"""Opening review cases: what a person must look at, how severe it is, who may see it."""

from datetime import datetime

from moderation.models import CaseKind, Decision, ReviewCase

# 1 to 100; the queue orders by severity times age.
SEVERITIES = {"1": 100, "2": 90, "3": 60, "5": 50, "6": 50, "7": 40, "4": 30, "8": 30, "9": 20}
LEAST_SEVERITY = 10
CHILD_SAFETY_ITEM = "1"


def open_case(*, decision: Decision, kind: CaseKind, item: str, at: datetime) -> ReviewCase:
    """The case of this kind on this decision; asked again, the first one.

    Item 1 is never displayed and needs two people, whatever the kind.
    """
    child_safety = item == CHILD_SAFETY_ITEM
    case, _ = ReviewCase.objects.get_or_create(
        decision=decision,
        kind=kind,
        defaults={
            "organization_id": decision.organization_id,
            "item": item,
            "severity": SEVERITIES.get(item, LEAST_SEVERITY),
            "judgements_needed": 2 if child_safety else 1,
            "displayable": not child_safety,
            "opened_at": at,
        },
    )
    return case


def case_for_decision(decision: Decision) -> ReviewCase | None:
    """The case that a decision of the gate calls for: held ones, and every refusal under item 1.

    A decision without a full set of verdicts is a fault of a machine, for operators, not reviewers.
    """
    if not decision.complete or decision.outcome in {"allow", "label"}:
        return None
    if decision.item == CHILD_SAFETY_ITEM:
        return open_case(
            decision=decision, kind=CaseKind.CHILD_SAFETY, item=decision.item, at=decision.at
        )
    if decision.outcome == "review":
        return open_case(decision=decision, kind=CaseKind.HELD, item=decision.item, at=decision.at)
    return None
