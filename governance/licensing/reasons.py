"""Building the reasons of a standing."""

from dataclasses import dataclass
from datetime import datetime

from governance.licensing.standing import Reason, Status
from governance.licensing.terms import Terms


@dataclass(frozen=True)
class Found:
    """A reason and the moments at which time alone changes it."""

    reason: Reason
    moments: tuple[datetime, ...] = ()


def found(
    terms: Terms,
    rule_id: str,
    status: Status,
    *,
    fact: str,
    next_step: str,
    blocks: bool = False,
    source: str | None = None,
    citation: str | None = None,
    grace_until: datetime | None = None,
    moments: tuple[datetime, ...] = (),
) -> Found:
    """A finding under ``rule_id``; source and citation come from the rule where none is given."""
    rule = terms.rules.get(rule_id)
    return Found(
        Reason(
            rule=rule_id,
            terms_version=terms.label,
            source=source if source is not None else (rule.source if rule else ""),
            citation=citation if citation is not None else (rule.citation if rule else ""),
            fact=fact,
            next_step=next_step,
            status=status,
            blocks=blocks,
            grace_until=grace_until,
        ),
        moments,
    )
