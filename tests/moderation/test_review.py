"""People behind the gate: one case, one reviewer; clause and reason; another person for the rest."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from governance.models import AuditEntry
from moderation.models import (
    Appeal,
    CaseKind,
    Finding,
    Judgement,
    Overturn,
    ReviewCase,
    Reviewer,
    Strike,
)
from moderation.operations.appeals import file_appeal
from moderation.operations.cases import case_for_decision, open_case
from moderation.operations.review import (
    ExposureLimitReached,
    JudgedBefore,
    LeaseLost,
    NotAReviewer,
    ReasonMissing,
    claim_case,
    judge_case,
    return_case,
)
from tests.moderation.conftest import AT, acting, decision, person

ALL = ("reviewer", "senior", "appeals", "child_safety")


def held(*, item="7", at=AT, **fields):
    return case_for_decision(decision(item=item, outcome="review", at=at, **fields))


def judge(case, user, finding=Finding.UPHOLD, *, at=AT, reason="It shows a weapon.", epoch=None):
    return judge_case(
        case_id=case.id,
        lease_epoch=case.lease_epoch if epoch is None else epoch,
        finding=finding,
        item=case.item,
        reason=reason,
        actor=acting(user),
        at=at,
    )


def claim_and_judge(user, finding=Finding.UPHOLD, at=AT):
    return judge(claim_case(reviewer_id=user.id, at=at), user, finding, at=at)


@pytest.mark.django_db
class TestTheQueue:
    def test_offers_the_gravest_case_first_and_lets_age_count(self):
        young_grave = held(item="3", at=AT)
        old_mild = held(item="9", at=AT - timedelta(hours=30))
        young_mild = held(item="9", at=AT)
        users = [person(f"r{n}", roles=ALL) for n in range(3)]

        order = [claim_case(reviewer_id=user.id, at=AT).id for user in users]

        assert order == [old_mild.id, young_grave.id, young_mild.id]

    def test_leases_a_case_to_one_person_only(self):
        held()
        first, second = person("first", roles=ALL), person("second", roles=ALL)

        assert claim_case(reviewer_id=first.id, at=AT) is not None
        assert claim_case(reviewer_id=second.id, at=AT) is None

    def test_gives_the_same_case_again_to_whom_it_is_leased(self):
        held(), held()
        user = person("only", roles=ALL)

        first = claim_case(reviewer_id=user.id, at=AT)
        again = claim_case(reviewer_id=user.id, at=AT + timedelta(minutes=1))

        assert again.id == first.id
        assert again.lease_epoch == first.lease_epoch + 1

    def test_passes_an_abandoned_case_to_another_whose_judgement_alone_counts(self):
        held()
        slow, quick = person("slow", roles=ALL), person("quick", roles=ALL)
        stale = claim_case(reviewer_id=slow.id, at=AT)
        later = AT + timedelta(minutes=11)

        fresh = claim_case(reviewer_id=quick.id, at=later)

        assert fresh.id == stale.id
        with pytest.raises(LeaseLost):
            judge(stale, slow, at=later)
        assert judge(fresh, quick, at=later).state == "decided"

    def test_refuses_a_judgement_after_the_lease_has_run_out(self):
        held()
        user = person("slow", roles=ALL)
        case = claim_case(reviewer_id=user.id, at=AT)

        with pytest.raises(LeaseLost):
            judge(case, user, at=AT + timedelta(minutes=10))

    def test_takes_back_an_unjudged_case(self):
        held()
        first, second = person("first", roles=ALL), person("second", roles=ALL)
        case = claim_case(reviewer_id=first.id, at=AT)

        return_case(case_id=case.id, reviewer_id=first.id, lease_epoch=case.lease_epoch)

        assert claim_case(reviewer_id=second.id, at=AT).id == case.id

    def test_is_closed_to_those_who_are_no_reviewers(self):
        held()

        for user in (person("nobody"), person("auditor", roles=("auditor",))):
            with pytest.raises(NotAReviewer):
                claim_case(reviewer_id=user.id, at=AT)

    def test_offers_appeals_only_to_the_appeals_role_and_item_one_only_to_child_safety(self):
        open_case(decision=decision(), kind=CaseKind.APPEAL, item="7", at=AT)
        held(item="1")

        assert claim_case(reviewer_id=person("r", roles=("reviewer",)).id, at=AT) is None
        appeals = claim_case(reviewer_id=person("a", roles=("appeals",)).id, at=AT)
        safety = claim_case(reviewer_id=person("c", roles=("child_safety",)).id, at=AT)

        assert (appeals.kind, safety.kind) == ("appeal", "child_safety")

    def test_stops_giving_severe_cases_after_the_daily_limit(self):
        user = person("tired", roles=ALL, limit=1)
        held(item="2"), held(item="2")
        claim_and_judge(user)

        with pytest.raises(ExposureLimitReached):
            claim_case(reviewer_id=user.id, at=AT + timedelta(minutes=5))
        mild = held(item="9")

        assert claim_case(reviewer_id=user.id, at=AT + timedelta(minutes=6)).id == mild.id

    def test_wants_a_reason(self):
        held()
        user = person("mute", roles=ALL)
        case = claim_case(reviewer_id=user.id, at=AT)

        with pytest.raises(ReasonMissing):
            judge(case, user, reason="  ")


@pytest.mark.django_db
class TestAJudgement:
    def test_that_upholds_a_held_prompt_counts_as_a_strike(self):
        case = held(item="7")

        claim_and_judge(person("r", roles=ALL))

        assert Strike.objects.get().decision_id == case.decision_id

    def test_that_overturns_lets_the_same_bytes_pass_in_that_organization(self):
        case = held(item="7")

        claim_and_judge(person("r", roles=ALL), Finding.OVERTURN)

        overturn = Overturn.objects.get()
        assert overturn.subject_sha256 == case.decision.subject_sha256
        assert overturn.organization_id == case.organization_id
        assert AuditEntry.objects.filter(act="case.judged").count() == 1

    def test_that_escalates_opens_a_case_for_a_senior(self):
        held()

        claim_and_judge(person("r", roles=ALL), Finding.ESCALATE)

        assert ReviewCase.objects.get(kind="escalated").state == "open"

    def test_of_item_one_needs_two_people_who_agree_and_is_never_displayed(self):
        case = held(item="1")
        first, second = person("first", roles=ALL), person("second", roles=ALL)

        assert claim_and_judge(first).state == "open"
        assert claim_case(reviewer_id=first.id, at=AT) is None
        assert claim_and_judge(second).state == "decided"
        assert not case.displayable

    def test_of_item_one_by_two_people_who_disagree_is_escalated(self):
        held(item="1")

        claim_and_judge(person("first", roles=ALL), Finding.UPHOLD)
        claim_and_judge(person("second", roles=ALL), Finding.OVERTURN)

        assert ReviewCase.objects.get(kind="escalated")
        assert not Overturn.objects.exists()

    def test_twice_by_one_person_is_refused_by_the_database_itself(self):
        case = held()
        user = person("twice", roles=ALL)
        claim_and_judge(user)
        other = open_case(decision=case.decision, kind=CaseKind.APPEAL, item="7", at=AT)

        with (
            pytest.raises(DatabaseError, match="judged this decision before"),
            transaction.atomic(),
        ):
            Judgement.objects.create(
                case=other, reviewer=user, verdict="uphold", reason="again", at=AT
            )

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE moderation_judgement SET verdict = 'overturn'",
            "DELETE FROM moderation_judgement",
        ],
    )
    def test_once_written_is_not_changed_or_deleted(self, statement):
        held()
        claim_and_judge(person("r", roles=ALL))

        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    def test_lease_of_one_reviewer_on_two_cases_is_refused_by_the_database(self):
        first, second = held(), held()
        user = person("greedy", roles=ALL)
        claim_case(reviewer_id=user.id, at=AT)
        other = second if ReviewCase.objects.get(id=first.id).leased_by_id else first

        with pytest.raises(IntegrityError), transaction.atomic():
            ReviewCase.objects.filter(id=other.id).update(leased_by=user, lease_until=AT)

    def test_of_item_one_by_one_person_is_refused_by_the_database(self):
        case = held(item="7")

        with pytest.raises(IntegrityError), transaction.atomic():
            ReviewCase.objects.filter(id=case.id).update(item="1")


@pytest.mark.django_db(transaction=True)
def test_reviewers_who_claim_at_the_same_time_never_get_the_same_case():
    cases = {held(item="7", at=AT - timedelta(minutes=n)).id for n in range(12)}
    users = [person(f"racer{n}", roles=ALL) for n in range(8)]
    start, got = threading.Barrier(len(users)), []

    def race(user_id: UUID):
        start.wait()
        try:
            for _ in range(3):
                case = claim_case(reviewer_id=user_id, at=AT)
                if case is None:
                    return
                got.append((case.id, user_id))
                judge_case(
                    case_id=case.id,
                    lease_epoch=case.lease_epoch,
                    finding=Finding.UPHOLD,
                    item="7",
                    reason="raced",
                    actor=acting(next(u for u in users if u.id == user_id)),
                    at=AT,
                )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race, args=(user.id,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    first_looks = [case_id for case_id, _ in got if case_id in cases]
    assert sorted(first_looks) == sorted(set(first_looks))
    assert set(first_looks) == cases
    assert Judgement.objects.filter(case_id__in=cases).count() == len(cases)


class LeaseAndAppealProperties(TestCase):
    """Whatever people do and in whichever order."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["claim", "judge", "return", "wait", "appeal"]),
                st.integers(0, 3),
                st.sampled_from(list(Finding)),
            ),
            max_size=40,
        )
    )
    def test_no_double_lease_and_no_appeal_decided_by_a_first_reviewer(self, steps):
        users = [person(f"p{n}", roles=ALL) for n in range(4)]
        cases = [held(item=item) for item in ("7", "3", "1")]
        at, leased = AT, {}
        for act, who, finding in steps:
            at += timedelta(minutes=1)
            user = users[who]
            if act == "wait":
                at += timedelta(minutes=10)
            elif act == "claim":
                leased[who] = claim_case(reviewer_id=user.id, at=at)
            elif act == "appeal":
                chosen = cases[who % 2].decision
                file_appeal(
                    decision_id=chosen.id,
                    organization_id=chosen.organization_id,
                    statement="It was a toy.",
                    actor=acting(user),
                    at=at,
                )
            elif leased.get(who) is not None:
                case = leased.pop(who)
                try:
                    if act == "judge":
                        judge(case, user, finding, at=at)
                    else:
                        return_case(
                            case_id=case.id, reviewer_id=user.id, lease_epoch=case.lease_epoch
                        )
                except (LeaseLost, JudgedBefore):
                    pass
            self.check(at)

    def check(self, _at):
        for user in Reviewer.objects.all():
            assert ReviewCase.objects.filter(leased_by_id=user.pk, state="open").count() <= 1
        for appeal in Appeal.objects.exclude(state="open"):
            judged = list(
                Judgement.objects.filter(case__decision_id=appeal.decision_id).values_list(
                    "reviewer_id", flat=True
                )
            )
            assert len(judged) == len(set(judged))
        for case in ReviewCase.objects.filter(state="decided").exclude(result="escalate"):
            assert case.judgements.count() >= case.judgements_needed
