"""End users whom API requests name: no seat, a seat, or a refusal that says why."""

from datetime import timedelta

import pytest

from governance.kernel.actors import SYSTEM
from governance.models import AuditEntry, Organization, Seat
from governance.operations.activity import note_activity
from governance.operations.end_users import (
    EndUserHasNoSeat,
    claim_end_user_seat,
    reclaim_end_user_seats,
    set_end_user_policy,
)
from governance.queries.seats import seat_rows
from governance.queries.standing import standing_of
from tests.governance.tenants import DAY, NOON, OPERATOR, licensed, member

pytestmark = pytest.mark.django_db


def counting(*, seats: int = 1) -> Organization:
    organization = licensed(seats=seats)
    return set_end_user_policy(
        organization_id=organization.id, counted=True, actor=OPERATOR, at=NOON
    )


def come(organization: Organization, name: str, at: object = NOON) -> Seat | None:
    return claim_end_user_seat(organization_id=organization.id, end_user=name, actor=SYSTEM, at=at)


def used(organization: Organization, at: object = NOON) -> int:
    return standing_of(organization.id, at=at).seats.used


class TestThePolicy:
    def test_without_it_end_users_hold_no_seat(self) -> None:
        organization = licensed()

        assert come(organization, "x-1") is None
        assert used(organization) == 1

    def test_with_it_each_counts_once_and_a_member_is_the_member(self) -> None:
        organization = counting()
        owner = organization.memberships.get().user

        for name in ("x-1", "x-1", "x-2", owner.email.upper()):
            come(organization, name)

        assert used(organization) == 3

    def test_only_a_hash_of_a_strangers_name_is_kept(self) -> None:
        organization = counting()

        seat = come(organization, "patient-17@clinic.example")

        assert seat is not None
        assert "clinic" not in seat.person
        assert not AuditEntry.objects.filter(facts__icontains="clinic").exists()

    def test_switched_off_their_seats_are_free_and_peoples_stay(self) -> None:
        organization = counting(seats=3)
        come(organization, "x-1")

        set_end_user_policy(organization_id=organization.id, counted=False, actor=OPERATOR, at=NOON)

        assert used(organization) == 3
        assert (
            AuditEntry.objects.get(
                act="organization.end_user_policy_set", facts__counted=False
            ).facts["freed"]
            == 1
        )


def test_at_a_full_door_the_refusal_names_rule_version_facts_and_next_step() -> None:
    organization = counting(seats=49)
    come(organization, "x-1")

    with pytest.raises(EndUserHasNoSeat) as full:
        come(organization, "x-2")

    facts = full.value.facts
    assert (facts["rule"], facts["terms_version"]) == ("seats", "2026-06-22.1")
    assert facts["fact"] == "50 seats are used and 50 are allowed"
    assert facts["citation"] == ""
    assert "not a clause" in facts["source"]
    assert facts["next_step"].startswith("Reclaim seats")
    assert come(organization, "x-1") is not None


class TestActivity:
    def test_an_end_user_who_comes_back_is_not_idle(self) -> None:
        organization = counting()
        come(organization, "x-1")
        come(organization, "x-2")

        come(organization, "x-1", at=NOON + 59 * DAY)

        rows = [r for r in seat_rows(organization, at=NOON + 61 * DAY) if not r.role]
        assert sorted(row.inactive for row in rows) == [False, True]

    def test_coming_back_leaves_the_decided_standing_alone(self) -> None:
        organization = counting()
        come(organization, "x-1")
        organization.refresh_from_db()
        before = organization.facts_epoch

        come(organization, "x-1", at=NOON + DAY)

        organization.refresh_from_db()
        assert organization.facts_epoch == before
        assert Seat.objects.get(source="api").last_active_at == NOON + DAY

    def test_a_members_activity_is_kept_to_the_hour(self) -> None:
        organization = licensed()
        user = member(organization)

        for minutes in (30, 70, 90):
            note_activity(
                organization_id=organization.id,
                user_id=user.id,
                at=NOON + timedelta(minutes=minutes),
            )

        membership = organization.memberships.get(user=user)
        assert membership.last_active_at == NOON + timedelta(minutes=70)

    def test_idle_end_users_give_their_seats_back_together(self) -> None:
        organization = counting()
        come(organization, "x-1")
        come(organization, "x-2")
        idle = [r.seat_id for r in seat_rows(organization, at=NOON + 61 * DAY) if not r.role]

        freed = reclaim_end_user_seats(
            organization_id=organization.id, seat_ids=idle, actor=OPERATOR, at=NOON + 61 * DAY
        )

        assert freed == 2
        assert used(organization, at=NOON + 61 * DAY) == 1
        assert come(organization, "x-1", at=NOON + 62 * DAY) is not None
