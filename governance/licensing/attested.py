"""The revenue test of section 2.3, from signed attestations of an organization or its group."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from governance.kernel.money import format_usd
from governance.licensing.facts import AttestationFact, LicenceFacts
from governance.licensing.reasons import Found, found
from governance.licensing.standing import Status
from governance.licensing.terms import Terms


def attestation_reasons(facts: LicenceFacts, terms: Terms, at: datetime) -> Iterator[Found]:
    """What the attestations say at ``at``: over the limit, missing, unclear, running out, or fine.

    Of one organization only the newest statement counts, and it stands after its expiry if it says
    that the limit is reached: silence never improves a standing.
    """
    latest = latest_statements(facts, at)
    if not _suspended(latest, terms):
        yield from _due(latest, terms, at)
        return
    yield found(
        terms, terms.revenue.id, Status.COMMERCIAL_SUSPENDED, blocks=True,
        fact=f"attested company-wide revenue of at least {format_usd(_least(latest))}; "
        f"the limit is less than {format_usd(terms.revenue.limit)}",
        next_step=terms.revenue.next_step,
    )  # fmt: skip


def latest_statements(facts: LicenceFacts, at: datetime) -> list[AttestationFact]:
    """The newest statement of each organization of the group that was signed by ``at``."""
    newest: dict[str, AttestationFact] = {}
    for statement in sorted(a for a in facts.attestations if a.signed_at <= at):
        newest[statement.organization_id] = statement
    return list(newest.values())


def _least(latest: list[AttestationFact]) -> int:
    apart = sum(a.lowest for a in latest if not a.covers_group)
    return max([a.lowest for a in latest] + [apart], default=0)


def _suspended(latest: list[AttestationFact], terms: Terms) -> bool:
    return not terms.revenue.holds(_least(latest))


def _due(latest: list[AttestationFact], terms: Terms, at: datetime) -> Iterator[Found]:
    rule = terms.attestation
    running = [a for a in latest if a.expires_at > at]
    until = _proven_until(running, terms)
    if until is None:
        ended = _last_proof_ended(latest, terms)
        grace = ended + timedelta(days=rule.grace_days) if ended and rule.grace_days else None
        yield found(
            terms, rule.id, Status.ATTESTATION_DUE, blocks=grace is None or at >= grace,
            grace_until=grace, moments=(grace,) if grace else (),
            fact=_why_not_proven(latest, running), next_step=rule.next_step,
        )  # fmt: skip
        return
    warn_from = until - timedelta(days=rule.warn_at)
    if at >= warn_from:
        yield found(
            terms, rule.id, Status.APPROACHING, moments=(until,),
            fact=f"the attestation of revenue expires on {until:%Y-%m-%d}",
            next_step=rule.next_step,
        )  # fmt: skip
    else:
        yield from _nearing(running, terms, warn_from)


def _nearing(running: list[AttestationFact], terms: Terms, warn_from: datetime) -> Iterator[Found]:
    least = _least(running)
    if least >= terms.revenue.warn_at:
        yield found(
            terms, terms.revenue.id, Status.APPROACHING, moments=(warn_from,),
            fact=f"attested revenue of {format_usd(least)} or more nears the limit of "
            f"{format_usd(terms.revenue.limit)}",
            next_step="Talk to the licensor before the limit is reached: there is no grace.",
        )  # fmt: skip


def _proven_until(running: list[AttestationFact], terms: Terms) -> datetime | None:
    """Until when the statements in force prove that the revenue is below the limit."""
    whole = [a for a in running if a.covers_group and _below(a.highest, terms)]
    if whole:
        return max(a.expires_at for a in whole)
    ceilings = [a.highest for a in running]
    known = [ceiling for ceiling in ceilings if ceiling is not None]
    if not running or len(known) < len(ceilings) or not terms.revenue.holds(sum(known)):
        return None
    return min(a.expires_at for a in running)


def _last_proof_ended(latest: list[AttestationFact], terms: Terms) -> datetime | None:
    ends = [a.expires_at for a in latest if _below(a.highest, terms)]
    return max(ends, default=None)


def _below(highest: int | None, terms: Terms) -> bool:
    return highest is not None and terms.revenue.holds(highest)


def _why_not_proven(latest: list[AttestationFact], running: list[AttestationFact]) -> str:
    if running:
        return "the statements on record do not show that revenue is below the limit"
    if latest:
        return f"the attestation of revenue expired on {max(latest).expires_at:%Y-%m-%d}"
    return "no attestation of revenue is on record"
