"""The decision table over its boundaries. Pure: no database, no clock."""

from dataclasses import replace
from datetime import datetime

import pytest

from governance.licensing.decision import decide_standing, features_unlocked
from governance.licensing.facts import Bracket, BreachFact, LicenceFacts, NoticeFact
from governance.licensing.standing import Status
from governance.licensing.terms import Rule, Terms
from tests.governance.licence_facts import (
    DAY,
    NOON,
    SECOND,
    TERMS,
    USD,
    attested,
    contract,
    seated,
    sound,
)

GRACE_END = NOON - DAY + 14 * DAY
BREACH = BreachFact(NOON - DAY, "b1", "4.1(c)")
NOTICE = NoticeFact(NOON - DAY, NOON + 29 * DAY, "n1", "the whole service")

TABLE = [
    # what, facts, at, status, may generate
    ("nothing amiss", sound(), NOON, Status.COMMUNITY, True),
    ("39 seats", sound(**seated(39)), NOON, Status.COMMUNITY, True),
    ("40 seats, the warn level", sound(**seated(40)), NOON, Status.APPROACHING, True),
    ("49 seats", sound(**seated(49)), NOON, Status.APPROACHING, True),
    ("exactly 50 seats", sound(**seated(50)), NOON, Status.APPROACHING, True),
    ("51 seats, in grace", sound(**seated(51)), NOON, Status.OVER_SEATS, True),
    (
        "51 seats, last second of grace",
        sound(**seated(51)),
        GRACE_END - SECOND,
        Status.OVER_SEATS,
        True,
    ),
    ("51 seats, grace over", sound(**seated(51)), GRACE_END, Status.OVER_SEATS, False),
    ("51 seats, crossing unknown", sound(seats_used=51), NOON, Status.OVER_SEATS, False),
    (
        "revenue 799,999.99",
        sound(attestations=(attested(Bracket.UNDER_800K, 799_999_990_000),)),
        NOON,
        Status.COMMUNITY,
        True,
    ),
    (
        "revenue 800,000.00",
        sound(attestations=(attested(Bracket.UNDER_1M, 800_000 * USD),)),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "revenue 999,999.99",
        sound(attestations=(attested(Bracket.UNDER_1M, 999_999_990_000),)),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "revenue of exactly 1,000,000.00",
        sound(attestations=(attested(Bracket.AT_OR_OVER_1M, 1_000_000 * USD),)),
        NOON,
        Status.COMMERCIAL_SUSPENDED,
        False,
    ),
    (
        "bracket below one million",
        sound(attestations=(attested(Bracket.UNDER_1M),)),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "bracket at or over one million",
        sound(attestations=(attested(Bracket.AT_OR_OVER_1M),)),
        NOON,
        Status.COMMERCIAL_SUSPENDED,
        False,
    ),
    (
        "over the limit and expired: still suspended",
        sound(attestations=(attested(Bracket.AT_OR_OVER_1M, expires=NOON - DAY),)),
        NOON,
        Status.COMMERCIAL_SUSPENDED,
        False,
    ),
    (
        "unsure",
        sound(attestations=(attested(Bracket.UNSURE),)),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
    ("no attestation", sound(attestations=()), NOON, Status.ATTESTATION_DUE, False),
    (
        "attestation expires in 31 days",
        sound(attestations=(attested(expires=NOON + 31 * DAY),)),
        NOON,
        Status.COMMUNITY,
        True,
    ),
    (
        "attestation expires in 30 days",
        sound(attestations=(attested(expires=NOON + 30 * DAY),)),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "attestation in its last second",
        sound(attestations=(attested(expires=NOON + SECOND),)),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "attestation expired this moment",
        sound(attestations=(attested(expires=NOON),)),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
    ("terms never accepted", sound(accepted_at=None), NOON, Status.ATTESTATION_DUE, False),
    (
        "new terms, last second of grace",
        sound(accepted_at=None, acceptance_due_since=NOON - 14 * DAY + SECOND),
        NOON,
        Status.ATTESTATION_DUE,
        True,
    ),
    (
        "new terms, grace over",
        sound(accepted_at=None, acceptance_due_since=NOON - 14 * DAY),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
    (
        "contract, 400 of 500 seats",
        sound(contracts=(contract(),), **seated(400)),
        NOON,
        Status.ENTERPRISE,
        True,
    ),
    (
        "contract, 500 of 500 seats",
        sound(contracts=(contract(),), **seated(500)),
        NOON,
        Status.ENTERPRISE,
        True,
    ),
    (
        "contract, 501 of 500 seats",
        sound(contracts=(contract(),), **seated(501, limit=500)),
        NOON,
        Status.OVER_SEATS,
        True,
    ),
    (
        "contract stands in for the revenue test",
        sound(contracts=(contract(),), attestations=(attested(Bracket.AT_OR_OVER_1M),)),
        NOON,
        Status.ENTERPRISE,
        True,
    ),
    (
        "contract's last second",
        sound(contracts=(contract(ends=NOON + SECOND),), attestations=()),
        NOON,
        Status.ENTERPRISE,
        True,
    ),
    (
        "contract ended this moment",
        sound(contracts=(contract(ends=NOON),), attestations=()),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
    (
        "contract not begun",
        sound(contracts=(contract(starts=NOON + SECOND),), attestations=()),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
    (
        "contract does not stand in for acceptance",
        sound(contracts=(contract(),), accepted_at=None),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
    (
        "SSO asked for without a contract: locked, the rest goes on",
        sound(needs=frozenset({"sso"})),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "SSO under contract",
        sound(needs=frozenset({"sso"}), contracts=(contract(features=frozenset({"sso"})),)),
        NOON,
        Status.ENTERPRISE,
        True,
    ),
    ("licensor's notice", sound(notices=(NOTICE,)), NOON, Status.NOTICE_RUNNING, True),
    (
        "notice, last second",
        sound(notices=(NOTICE,)),
        NOTICE.ends_at - SECOND,
        Status.NOTICE_RUNNING,
        True,
    ),
    ("notice elapsed", sound(notices=(NOTICE,)), NOTICE.ends_at, Status.TERMINATED, False),
    ("breach: no cure period", sound(breaches=(BREACH,)), NOON, Status.TERMINATED, False),
    (
        "breach, reinstated in writing",
        sound(breaches=(replace(BREACH, reinstated_at=NOON),)),
        NOON,
        Status.COMMUNITY,
        True,
    ),
    (
        "breach under a contract",
        sound(breaches=(BREACH,), contracts=(contract(),)),
        NOON,
        Status.TERMINATED,
        False,
    ),
    ("kill switch", sound(halted_since=NOON), NOON, Status.COMMUNITY, False),
    (
        "group of two that each attest 500,000",
        sound(
            attestations=(
                attested(Bracket.UNDER_800K, 500_000 * USD, covers_group=False),
                attested(Bracket.UNDER_800K, 500_000 * USD, organization="o2", covers_group=False),
            )
        ),
        NOON,
        Status.COMMERCIAL_SUSPENDED,
        False,
    ),
    (
        "group of two with 499,999.99 and 500,000",
        sound(
            attestations=(
                attested(Bracket.UNDER_500K, 499_999_990_000, covers_group=False),
                attested(Bracket.UNDER_800K, 500_000 * USD, organization="o2", covers_group=False),
            )
        ),
        NOON,
        Status.APPROACHING,
        True,
    ),
    (
        "group of two whose brackets may add up to the limit",
        sound(
            attestations=(
                attested(Bracket.UNDER_500K, covers_group=False),
                attested(Bracket.UNDER_800K, organization="o2", covers_group=False),
            )
        ),
        NOON,
        Status.ATTESTATION_DUE,
        False,
    ),
]


@pytest.mark.parametrize(
    ("facts", "at", "status", "may_generate"),
    [row[1:] for row in TABLE],
    ids=[str(row[0]) for row in TABLE],
)
def test_the_decision_table(
    facts: LicenceFacts, at: datetime, status: Status, *, may_generate: bool
) -> None:
    standing = decide_standing(facts, TERMS, at)

    assert (standing.status, standing.may_generate) == (status, may_generate), standing.reasons


class TestReasons:
    def test_the_seat_rule_names_its_source_and_no_clause(self) -> None:
        standing = decide_standing(sound(**seated(51)), TERMS, NOON)

        reason = standing.reasons[0]
        assert (reason.rule, reason.citation) == ("seats", "")
        assert (
            reason.source == "the operator's brief and launch coverage; not a clause of the licence"
        )
        assert reason.fact == "51 seats are used and 50 are allowed"
        assert standing.grace_until == GRACE_END

    def test_the_revenue_rule_cites_section_2_3_and_has_no_grace(self) -> None:
        facts = sound(attestations=(attested(Bracket.AT_OR_OVER_1M),))

        reason = decide_standing(facts, TERMS, NOON).reasons[0]

        assert (reason.rule, reason.citation, reason.grace_until) == ("revenue", "2.3", None)

    def test_the_reason_that_blocks_comes_first(self) -> None:
        facts = sound(**seated(51), attestations=())

        reasons = decide_standing(facts, TERMS, NOON).reasons

        assert [(r.rule, r.blocks) for r in reasons] == [("attestation", True), ("seats", False)]

    def test_every_reason_names_the_version_of_the_terms(self) -> None:
        facts = sound(breaches=(BREACH,), notices=(NOTICE,), accepted_at=None, seats_used=60)

        reasons = decide_standing(facts, TERMS, NOON).reasons

        assert {reason.terms_version for reason in reasons} == {TERMS.label}


class TestSeatLine:
    def test_a_lowered_limit_starts_its_own_grace(self) -> None:
        lowered = replace(TERMS.seats, limit=40, warn_at=32, since=NOON.isoformat())
        terms = Terms("t2", "lower", "1" * 64, {**TERMS.rules, "seats": lowered})

        standing = decide_standing(sound(**seated(45)), terms, NOON + DAY)

        assert standing.grace_until == NOON + 14 * DAY

    def test_an_ended_contract_starts_the_grace_at_its_end(self) -> None:
        facts = sound(contracts=(contract(ends=NOON),), **seated(60))

        standing = decide_standing(facts, TERMS, NOON + DAY)

        assert (standing.status, standing.grace_until) == (Status.OVER_SEATS, NOON + 14 * DAY)

    def test_who_was_over_the_contracts_own_line_gets_no_new_grace_from_its_end(self) -> None:
        agreed = contract(55, ends=NOON)
        seats = seated(60, crossed=NOON - 20 * DAY, limit=50)

        under_contract = decide_standing(sound(contracts=(agreed,), **seats), TERMS, NOON - DAY)
        after_its_end = decide_standing(sound(contracts=(agreed,), **seats), TERMS, NOON + DAY)

        assert (under_contract.status, under_contract.may_generate) == (Status.OVER_SEATS, False)
        assert (after_its_end.status, after_its_end.may_generate) == (Status.OVER_SEATS, False)

    def test_features_of_two_contracts_add_up(self) -> None:
        seats = contract(500, features=frozenset({"sla"}))
        sign_on = replace(contract(60, features=frozenset({"sso"})), id="c2")
        facts = sound(needs=frozenset({"sso", "sla"}), contracts=(seats, sign_on))

        assert decide_standing(facts, TERMS, NOON).reasons == ()

    def test_the_seat_rule_cannot_be_given_a_clause_number(self) -> None:
        with pytest.raises(ValueError, match="not a clause of the licence"):
            Rule(
                id="seats",
                metric="seats_used",
                comparison="<=",
                limit=50,
                source="",
                citation="2.3",
                warn_at=40,
                grace_days=14,
                consequence="",
                next_step="",
            )


class TestChangesAt:
    def test_is_the_next_moment_at_which_time_alone_changes_the_answer(self) -> None:
        facts = sound(attestations=(attested(expires=NOON + 100 * DAY),))

        first = decide_standing(facts, TERMS, NOON)
        assert first.changes_at == NOON + 70 * DAY

        second = decide_standing(facts, TERMS, first.changes_at)
        assert (second.status, second.changes_at) == (Status.APPROACHING, NOON + 100 * DAY)


def test_a_feature_is_unlocked_by_whichever_contract_in_force_covers_it() -> None:
    smaller = replace(contract(60, features=frozenset({"sso"})), id="c2")
    facts = sound(needs=frozenset({"sso"}), contracts=(contract(500), smaller))

    assert decide_standing(facts, TERMS, NOON).reasons == ()
    assert "sso" in features_unlocked(facts, NOON)
