"""``decide_standing``: pure, total and independent of the order in which facts are given."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from governance.licensing.attested import attestation_reasons
from governance.licensing.facts import ContractFact, LicenceFacts
from governance.licensing.reasons import Found, found
from governance.licensing.seats import crossed_at, line_reached_on
from governance.licensing.standing import Reason, Seats, Standing, Status
from governance.licensing.terms import LICENCE_SOURCE, Terms


def decide_standing(facts: LicenceFacts, terms: Terms, at: datetime) -> Standing:
    """The standing at ``at``. Every reason is kept; the worst one names the status.

    An enterprise contract in force replaces the community thresholds (seats, revenue); it replaces
    neither acceptance (3.1(a)) nor termination (9.1, 9.2).
    """
    contract = contract_in_force(facts, at)
    limit = seat_limit(terms, contract)
    findings = [
        *_termination(facts, terms, at),
        *_seats(facts, terms, contract, at),
        *([] if contract else attestation_reasons(facts, terms, at)),
        *_acceptance(facts, terms, at),
        *_features(facts, terms, at),
    ]
    reasons = tuple(sorted((f.reason for f in findings), key=_weight))
    graces = [r.grace_until for r in reasons if r.grace_until is not None and not r.blocks]
    return Standing(
        organization_id=facts.organization_id,
        status=_status(reasons, contract),
        reasons=reasons,
        grace_until=min(graces, default=None),
        may_generate=not any(reason.blocks for reason in reasons),
        terms_version=terms.id,
        terms_sha256=terms.sha256,
        decided_at=at,
        seats=_figures(facts, limit, at),
        changes_at=min(_moments(facts, terms, findings, at), default=None),
    )


def _figures(facts: LicenceFacts, limit: int, at: datetime) -> Seats:
    reached = line_reached_on(
        used=facts.seats_used, per_day=facts.seats_per_day, limit=limit, at=at
    )
    return Seats(facts.seats_used, facts.seats_pending, limit, facts.seats_peak, reached)


def contract_in_force(facts: LicenceFacts, at: datetime) -> ContractFact | None:
    """The contract that counts at ``at``: of several, the one with the most seats."""
    running = [contract for contract in facts.contracts if contract.in_force(at)]
    return max(running, key=lambda c: (c.seats, c.ends_at, c.id), default=None)


def seat_limit(terms: Terms, contract: ContractFact | None) -> int:
    """Seats allowed: the contract's, never fewer than the community threshold."""
    return max(terms.seats.limit, contract.seats if contract else 0)


def features_unlocked(facts: LicenceFacts, at: datetime) -> frozenset[str]:
    """Enterprise features (sso, sla, dpa) that contracts in force at ``at`` unlock."""
    running = (c.features for c in facts.contracts if c.in_force(at))
    return frozenset().union(*running)


def _weight(reason: Reason) -> tuple[bool, int, str, str, float]:
    # Two notices that end on one day read the same; their hours decide.
    ends = reason.grace_until.timestamp() if reason.grace_until else 0.0
    return (not reason.blocks, -reason.status.severity, reason.rule, reason.fact, ends)


def _status(reasons: tuple[Reason, ...], contract: ContractFact | None) -> Status:
    worst = max(reasons, key=lambda reason: reason.status.severity, default=None)
    best = Status.ENTERPRISE if contract else Status.COMMUNITY
    if worst is None or (contract and worst.status.severity <= Status.APPROACHING.severity):
        return best
    return worst.status if worst.status.severity > 0 else best


def _moments(
    facts: LicenceFacts, terms: Terms, findings: list[Found], at: datetime
) -> Iterator[datetime]:
    warning = timedelta(days=terms.attestation.warn_at)
    candidates = [moment for finding in findings for moment in finding.moments]
    candidates += [c.starts_at for c in facts.contracts] + [c.ends_at for c in facts.contracts]
    candidates += [moment for a in facts.attestations for moment in (a.signed_at, a.expires_at)]
    candidates += [a.expires_at - warning for a in facts.attestations]
    candidates += [moment for n in facts.notices for moment in (n.received_at, n.ends_at)]
    return (moment for moment in candidates if moment > at)


def _termination(facts: LicenceFacts, terms: Terms, at: datetime) -> Iterator[Found]:
    for breach in facts.breaches:
        if breach.discovered_at <= at and not (breach.reinstated_at and breach.reinstated_at <= at):
            yield found(
                terms, "breach", Status.TERMINATED, blocks=True, source=LICENCE_SOURCE,
                citation="9.1",
                fact=f"a breach of {breach.clause} was recorded on {breach.discovered_at:%Y-%m-%d}",
                next_step="The licence ended with the breach and there is no cure period. Only the "
                "licensor's written reinstatement, once on record, opens the door again.",
            )  # fmt: skip
    for notice in facts.notices:
        if notice.received_at <= at:
            yield _notice(notice.ends_at, notice.covers, terms, at)
    if facts.halted_since is not None and facts.halted_since <= at:
        yield found(
            terms, "kill_switch", Status.COMMUNITY, blocks=True,
            source="the operator's own control", citation="",
            fact=f"the operator stopped all generation at {facts.halted_since:%Y-%m-%d %H:%M} UTC",
            next_step="Wait for the operator: two people must agree before generation resumes.",
        )  # fmt: skip


def _notice(ends_at: datetime, covers: str, terms: Terms, at: datetime) -> Found:
    over = at >= ends_at
    verb = "ended" if over else "ends"
    return found(
        terms, "notice", Status.TERMINATED if over else Status.NOTICE_RUNNING, blocks=over,
        source=LICENCE_SOURCE, citation="9.2", moments=(ends_at,),
        grace_until=None if over else ends_at,
        fact=f"the licensor gave notice for {covers}; the licence {verb} on {ends_at:%Y-%m-%d}",
        next_step="Destroy all copies and derivatives and sign the destruction attestation (9.4)."
        if over else "Finish what is running, export your images, and plan for the end date.",
    )  # fmt: skip


def _seats(
    facts: LicenceFacts, terms: Terms, contract: ContractFact | None, at: datetime
) -> Iterator[Found]:
    rule, limit, used = terms.seats, seat_limit(terms, contract), facts.seats_used
    warn_at = rule.warn_at * limit // rule.limit if rule.limit else 0
    if used > limit:
        until = over_since(facts, terms, limit, at) + timedelta(days=rule.grace_days)
        yield found(
            terms, rule.id, Status.OVER_SEATS, blocks=at >= until,
            grace_until=until, moments=(until,),
            fact=f"{used} seats are used and {limit} are allowed",
            next_step=rule.next_step,
        )  # fmt: skip
    elif used >= warn_at:
        yield found(
            terms, rule.id, Status.APPROACHING, fact=f"{used} of {limit} seats are used",
            next_step="Reclaim seats of people who left, or ask for an enterprise licence.",
        )  # fmt: skip


def over_since(facts: LicenceFacts, terms: Terms, limit: int, at: datetime) -> datetime:
    """Since when the seats are over ``limit``: crossing, lowered limit or ended contract, the last.

    Without recorded events the crossing is taken as the beginning of time: no grace is invented.
    """
    beginning = datetime.min.replace(tzinfo=at.tzinfo)
    crossed = crossed_at((e for e in facts.seat_events if e[0] <= at), limit) or beginning
    ended = [
        _end_of_cover(facts, c) for c in facts.contracts if c.ends_at <= at and c.seats > limit
    ]
    return max([crossed, terms.seats.applies_since or beginning, *ended])


def _end_of_cover(facts: LicenceFacts, contract: ContractFact) -> datetime:
    """When an ended contract stopped to cover the seats: at its end, or where its own line fell.

    Whoever was over the contract's line already gets no new grace from its end.
    """
    events = (event for event in facts.seat_events if event[0] <= contract.ends_at)
    return crossed_at(events, contract.seats) or contract.ends_at


def _acceptance(facts: LicenceFacts, terms: Terms, at: datetime) -> Iterator[Found]:
    if facts.accepted_at is not None and facts.accepted_at <= at:
        return
    rule = terms.acceptance
    since = facts.acceptance_due_since
    until = since + timedelta(days=rule.grace_days) if since else None
    yield found(
        terms, rule.id, Status.ATTESTATION_DUE, blocks=until is None or at >= until,
        grace_until=until, moments=(until,) if until else (),
        fact="the terms in force are not accepted for the organization",
        next_step=rule.next_step,
    )  # fmt: skip


def _features(facts: LicenceFacts, terms: Terms, at: datetime) -> Iterator[Found]:
    locked = facts.needs - features_unlocked(facts, at)
    if locked:
        names = ", ".join(sorted(locked))
        yield found(
            terms, "enterprise_features", Status.APPROACHING, source=terms.seats.source,
            citation="", fact=f"{names} asked for, and no enterprise contract covers it",
            next_step="These features stay locked until an enterprise contract is on record.",
        )  # fmt: skip
