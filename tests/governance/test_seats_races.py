"""Seats under concurrency, with real threads and real transactions."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection

from governance.kernel.actors import SYSTEM
from governance.models import Invitation, KillSwitch, Membership, Role, Seat, SeatPool, TermsVersion
from governance.operations.invitations import InvitationSpent, accept_invitation, invite_member
from governance.operations.members import remove_member
from governance.operations.seats import SeatLimitReached
from governance.operations.terms import change_rule
from governance.operations.waiting_list import waiting_in
from governance.queries.standing import standing_of
from tests.governance.tenants import NOON, OPERATOR, bare, licensed, member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
LATER = NOON + timedelta(days=1)


def at_once(work: list[Callable[[], object]], threads: int = 12) -> list[object]:
    """Runs everything on ``threads`` threads; an expected refusal is a result."""
    barrier = threading.Barrier(min(threads, len(work)))

    def run(step: Callable[[], object]) -> object:
        if not barrier.broken:
            with suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=5)
            barrier.abort()
        try:
            return step()
        except SeatLimitReached as full:
            return full
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, work))


def tokens(organization: object, number: int) -> list[str]:
    return [
        invite_member(
            organization_id=organization.id,
            email=f"guest{n}@example.com",
            role=Role.MEMBER,
            actor=SYSTEM,
            at=NOON,
        ).token
        for n in range(number)
    ]


def accepting(token: str) -> Callable[[], object]:
    return lambda: accept_invitation(token=token, actor=SYSTEM, at=NOON)


class TestSixtyAtOnce:
    def test_exactly_fifty_get_a_seat_and_ten_a_place_on_the_waiting_list(self) -> None:
        organization = bare()

        results = at_once([accepting(token) for token in tokens(organization, 60)])

        kinds = Counter(type(result).__name__ for result in results)
        assert kinds == {"Membership": 50, "SeatLimitReached": 10}
        assert Seat.objects.filter(pool_id=organization.id, released_at=None).count() == 50
        assert SeatPool.objects.get(id=organization.id).used == 50
        assert Membership.objects.filter(organization=organization).count() == 50
        places = sorted(
            r.facts["waiting_list_place"] for r in results if isinstance(r, SeatLimitReached)
        )
        waiting = Invitation.objects.filter(accepted_at=None, waiting_since__isnull=False)
        assert waiting.count() == 10
        assert places == list(range(1, 11))
        assert standing_of(organization.id, at=NOON).seats.used == 50

    def test_one_person_accepting_many_times_takes_one_seat(self) -> None:
        organization = bare()
        token = tokens(organization, 1)[0]

        def again() -> object:
            try:
                return accept_invitation(token=token, actor=SYSTEM, at=NOON)
            except InvitationSpent as spent:
                return spent

        results = at_once([again] * 20)

        assert Counter(type(r).__name__ for r in results) == {
            "Membership": 1,
            "InvitationSpent": 19,
        }
        assert SeatPool.objects.get(id=organization.id).used == 1

    def test_a_freed_seat_goes_to_exactly_one_of_those_who_wait(self) -> None:
        organization = licensed(seats=50)
        waiting = tokens(organization, 8)
        leaver = Membership.objects.filter(organization=organization, role=Role.MEMBER).first()

        def leave() -> object:
            return remove_member(
                organization_id=organization.id,
                user_id=leaver.user_id,
                reason="left",
                actor=SYSTEM,
                at=NOON,
            )

        results = at_once([leave, *[accepting(token) for token in waiting]])
        stranger = invite_member(
            organization_id=organization.id, email="late@example.com", role=Role.MEMBER,
            actor=SYSTEM, at=NOON,
        ).token  # fmt: skip
        late = at_once([accepting(stranger)])
        # Whoever is first in line comes again; a second one finds the house full.
        line = list(waiting_in(organization.id, at=NOON).values_list("email", flat=True))
        again = [waiting[int(email[5:].partition("@")[0])] for email in line[:2] if email[0] == "g"]
        at_once([accepting(again[0])])
        at_once([accepting(again[1])])

        assert isinstance(late[0], SeatLimitReached)
        assert sum(isinstance(r, Membership) for r in results) <= 2
        assert Seat.objects.filter(pool_id=organization.id, released_at=None).count() == 50
        assert SeatPool.objects.get(id=organization.id).used == 50


class TestTheLimitDropsMeanwhile:
    def test_whoever_is_admitted_was_admitted_under_the_limit_of_that_moment(self) -> None:
        organization = licensed(seats=38)
        invited = tokens(organization, 10)

        def lower() -> object:
            return change_rule(
                rule_id="seats",
                changes={"limit": 40, "warn_at": 32},
                label="lower",
                effective_from=NOON,
                reason="test",
                actor=OPERATOR,
                at=NOON,
            )

        results = at_once(
            [*[accepting(t) for t in invited[:5]], lower, *map(accepting, invited[5:])]
        )

        used = SeatPool.objects.get(id=organization.id).used
        admitted = sum(isinstance(r, Membership) for r in results)
        assert used == 38 + admitted
        assert used == Seat.objects.filter(pool_id=organization.id, released_at=None).count()
        standing = standing_of(organization.id, at=NOON)
        assert standing.seats.limit == 40
        assert (standing.status == "over_seats") == (used > 40)
        with pytest.raises(SeatLimitReached):
            member(organization)


def test_the_seed_of_terms_survives_the_flush_between_these_tests() -> None:
    assert TermsVersion.objects.exists()
    assert KillSwitch.objects.exists()
