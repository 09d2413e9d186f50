"""What holds for every set of facts, by hypothesis."""

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.licensing.decision import decide_standing
from governance.licensing.facts import (
    AttestationFact,
    Bracket,
    BreachFact,
    ContractFact,
    LicenceFacts,
    NoticeFact,
)
from tests.governance.licence_facts import NOON, TERMS

hours = st.integers(-24 * 400, 24 * 400).map(lambda n: NOON + timedelta(hours=n))
past = st.integers(-24 * 400, 0).map(lambda n: NOON + timedelta(hours=n))
lengths = st.integers(1, 24 * 366).map(lambda n: timedelta(hours=n))


@st.composite
def attestations(draw: st.DrawFn, index: int = 0) -> AttestationFact:
    signed = draw(past)
    return AttestationFact(
        signed_at=signed,
        organization_id=draw(st.sampled_from(["o1", "o2", "o3"])),
        id=f"a{draw(st.integers(0, 10**9))}",
        expires_at=signed + draw(lengths),
        bracket=draw(st.sampled_from(list(Bracket))),
        covers_group=draw(st.booleans()),
    )


@st.composite
def contracts(draw: st.DrawFn) -> ContractFact:
    starts = draw(past)
    features = draw(st.frozensets(st.sampled_from(["sso", "sla", "dpa"])))
    number = draw(st.integers(0, 10**9))
    return ContractFact(
        starts, starts + draw(lengths), f"c{number}", draw(st.integers(1, 90)), features
    )


@st.composite
def notices(draw: st.DrawFn) -> NoticeFact:
    received = draw(past)
    return NoticeFact(received, received + timedelta(days=30), f"n{draw(st.integers())}", "all")


@st.composite
def facts(draw: st.DrawFn) -> LicenceFacts:
    events = [(moment, 1) for moment in draw(st.lists(past, max_size=70))]
    events += [(moment, -1) for moment in draw(st.lists(st.just(NOON), max_size=len(events)))]
    return LicenceFacts(
        organization_id="o1",
        seats_used=sum(delta for _, delta in events),
        seat_events=tuple(events),
        accepted_at=draw(st.none() | past),
        acceptance_due_since=draw(st.none() | past),
        needs=draw(st.frozensets(st.sampled_from(["sso", "sla", "dpa"]))),
        attestations=tuple(draw(st.lists(attestations(), max_size=4))),
        contracts=tuple(draw(st.lists(contracts(), max_size=3))),
        notices=tuple(draw(st.lists(notices(), max_size=2))),
        breaches=tuple(
            BreachFact(moment, f"b{n}", "4.2")
            for n, moment in enumerate(draw(st.lists(past, max_size=2)))
        ),
        halted_since=draw(st.none() | past),
    )


def test_notices_that_end_hours_apart_on_one_day_stand_in_the_order_of_their_ends() -> None:
    early, late = (
        NoticeFact(received, received + timedelta(days=30), name, "all")
        for received, name in ((NOON - timedelta(hours=2), "n2"), (NOON - timedelta(hours=1), "n1"))
    )
    known = LicenceFacts(organization_id="o1", seats_used=0, notices=(early, late))

    turned = decide_standing(replace(known, notices=(late, early)), TERMS, NOON)

    ends = [reason.grace_until for reason in turned.reasons if reason.rule == "notice"]
    assert ends == [early.ends_at, late.ends_at]
    assert turned == decide_standing(known, TERMS, NOON)


@settings(max_examples=150, deadline=None)
@given(facts(), st.integers(0, 10**6))
def test_facts_in_any_order_give_the_same_standing(known: LicenceFacts, seed: int) -> None:
    shuffle = random.Random(seed)
    shuffled = replace(
        known,
        seat_events=tuple(shuffle.sample(known.seat_events, len(known.seat_events))),
        attestations=tuple(shuffle.sample(known.attestations, len(known.attestations))),
        contracts=tuple(shuffle.sample(known.contracts, len(known.contracts))),
        notices=tuple(shuffle.sample(known.notices, len(known.notices))),
        breaches=tuple(shuffle.sample(known.breaches, len(known.breaches))),
    )

    assert decide_standing(shuffled, TERMS, NOON) == decide_standing(known, TERMS, NOON)


@settings(max_examples=250, deadline=None)
@given(facts(), lengths, lengths)
def test_time_alone_never_improves_a_standing(
    known: LicenceFacts, first: timedelta, second: timedelta
) -> None:
    earlier = decide_standing(known, TERMS, NOON + first)
    later = decide_standing(known, TERMS, NOON + first + second)

    assert later.status.severity >= earlier.status.severity
    assert earlier.may_generate or not later.may_generate


@settings(max_examples=150, deadline=None)
@given(facts(), lengths)
def test_nothing_changes_before_the_moment_that_the_decision_names(
    known: LicenceFacts, wait: timedelta
) -> None:
    now = decide_standing(known, TERMS, NOON)
    until = now.changes_at
    at = NOON + wait if until is None else min(NOON + wait, until - timedelta(seconds=1))
    if at < NOON:
        return

    then = decide_standing(known, TERMS, at)

    assert (then.status, then.may_generate, then.reasons) == (
        now.status,
        now.may_generate,
        now.reasons,
    )


@settings(max_examples=100, deadline=None)
@given(facts())
def test_what_blocks_has_a_reason_with_a_next_step(known: LicenceFacts) -> None:
    standing = decide_standing(known, TERMS, NOON)

    assert standing.may_generate == (not any(reason.blocks for reason in standing.reasons))
    assert all(reason.fact and reason.next_step and reason.source for reason in standing.reasons)


@settings(max_examples=100, deadline=None)
@given(facts(), st.integers(1, 5))
def test_one_more_seat_never_improves_a_standing(known: LicenceFacts, more: int) -> None:
    grown = replace(
        known,
        seats_used=known.seats_used + more,
        seat_events=known.seat_events + ((NOON, 1),) * more,
    )

    before, after = decide_standing(known, TERMS, NOON), decide_standing(grown, TERMS, NOON)

    assert after.status.severity >= before.status.severity
    assert before.may_generate or not after.may_generate
