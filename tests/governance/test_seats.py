"""Seats, members, groups, invitations and reminders, on PostgreSQL."""

from datetime import timedelta

import pytest

from governance.kernel.actors import SYSTEM
from governance.models import (
    ControlGroup,
    Membership,
    Organization,
    OutgoingMail,
    Role,
    Seat,
    SeatPool,
    SeatSnapshot,
)
from governance.operations.groups import join_group, leave_group
from governance.operations.invitations import (
    InvitationSpent,
    accept_invitation,
    invite_by_list,
    withdraw_invitation,
)
from governance.operations.members import (
    LastOwner,
    change_role,
    reclaim_seats,
    remove_member,
    transfer_ownership,
)
from governance.operations.organizations import add_member
from governance.operations.reminders import send_attestation_reminders
from governance.operations.seat_snapshots import take_seat_snapshots
from governance.operations.seats import SeatLimitReached
from governance.operations.terms import change_rule
from governance.queries.permissions import TABLE, Permission, may_grant, permissions_of
from governance.queries.seats import seat_rows, seats_csv
from governance.queries.standing import standing_of
from tests.governance.tenants import DAY, NOON, OPERATOR, bare, licensed, member, person

pytestmark = pytest.mark.django_db


def used(organization: Organization) -> int:
    return standing_of(organization.id, at=NOON).seats.used


def grouped(*organizations: Organization) -> ControlGroup:
    group = ControlGroup.objects.create(name="Holding")
    return join_group(
        group=group, organization_ids=[o.id for o in organizations], actor=OPERATOR, at=NOON
    )


class TestTheDoor:
    def test_the_fiftieth_is_admitted_and_the_fifty_first_is_told_why_not(self) -> None:
        organization = licensed(seats=49)
        member(organization)

        with pytest.raises(SeatLimitReached) as full:
            member(organization)

        assert full.value.facts == {"seats_used": 50, "seats_limit": 50, "rule": "seats"}
        assert used(organization) == 50

    def test_a_soft_door_admits_and_grace_runs(self) -> None:
        organization = licensed(seats=50)
        change_rule(
            rule_id="seats",
            changes={"door": "soft"},
            label="soft",
            effective_from=NOON,
            reason="",
            actor=OPERATOR,
            at=NOON,
        )

        member(organization)

        standing = standing_of(organization.id, at=NOON)
        assert (standing.status, standing.seats.used) == ("over_seats", 51)
        assert standing.grace_until == NOON + 14 * DAY
        assert standing.may_generate

    def test_a_directory_is_recorded_above_the_line_and_grace_runs(self) -> None:
        organization = licensed(seats=50)

        member(organization, source="scim")

        assert standing_of(organization.id, at=NOON).status == "over_seats"

    def test_invitations_do_not_count_until_accepted(self) -> None:
        organization = licensed()

        made = invite_by_list(
            organization=organization,
            pasted="a@example.com, b@example.com; <c@example.com>\na@example.com",
            role=Role.MEMBER,
            actor=OPERATOR,
            at=NOON,
        )

        seats = standing_of(organization.id, at=NOON).seats
        assert (seats.used, seats.pending) == (1, 3)
        accept_invitation(token=made[0].token, actor=SYSTEM, at=NOON)
        seats = standing_of(organization.id, at=NOON).seats
        assert (seats.used, seats.pending) == (2, 2)

    def test_a_withdrawn_or_expired_invitation_cannot_be_accepted(self) -> None:
        organization = licensed()
        first, second = invite_by_list(
            organization=organization,
            pasted="a@example.com b@example.com",
            role=Role.MEMBER,
            actor=OPERATOR,
            at=NOON,
        )
        withdraw_invitation(
            organization_id=organization.id,
            invitation_id=first.invitation.id,
            actor=OPERATOR,
            at=NOON,
        )

        with pytest.raises(InvitationSpent):
            accept_invitation(token=first.token, actor=SYSTEM, at=NOON)
        with pytest.raises(InvitationSpent):
            accept_invitation(token=second.token, actor=SYSTEM, at=NOON + 14 * DAY)


class TestMembers:
    def test_a_removed_member_frees_the_seat_at_once_and_may_come_back(self) -> None:
        organization = licensed(seats=50)
        leaver = organization.memberships.filter(role=Role.MEMBER).first().user

        remove_member(
            organization_id=organization.id,
            user_id=leaver.id,
            reason="left",
            actor=OPERATOR,
            at=NOON,
        )
        assert used(organization) == 49
        add_member(
            organization_id=organization.id, user=leaver, role=Role.MEMBER, actor=SYSTEM, at=NOON
        )

        assert used(organization) == 50
        assert organization.memberships.filter(deactivated_at=None).count() == 50

    def test_the_last_owner_stays(self) -> None:
        organization = licensed(seats=2)
        owner = organization.memberships.get(role=Role.OWNER)

        with pytest.raises(LastOwner):
            remove_member(
                organization_id=organization.id,
                user_id=owner.user_id,
                reason="",
                actor=OPERATOR,
                at=NOON,
            )
        with pytest.raises(LastOwner):
            change_role(
                organization_id=organization.id,
                user_id=owner.user_id,
                role=Role.MEMBER,
                actor=OPERATOR,
            )

    def test_ownership_is_handed_over_whole(self) -> None:
        organization = licensed(seats=2)
        owner = organization.memberships.get(role=Role.OWNER)
        heir = organization.memberships.get(role=Role.MEMBER)

        transfer_ownership(
            organization_id=organization.id,
            from_user_id=owner.user_id,
            to_user_id=heir.user_id,
            actor=OPERATOR,
        )

        roles = dict(organization.memberships.values_list("user_id", "role"))
        assert roles == {owner.user_id: "admin", heir.user_id: "owner"}

    def test_seats_of_the_inactive_are_suggested_and_reclaimed_together(self) -> None:
        organization = licensed(seats=4, at=NOON - 90 * DAY)
        recent = member(organization)

        idle = [r for r in seat_rows(organization, at=NOON) if r.inactive and r.role == "member"]
        reclaim_seats(
            organization_id=organization.id,
            user_ids=[row.user_id for row in idle],
            actor=OPERATOR,
            at=NOON,
        )

        assert len(idle) == 3
        assert used(organization) == 2
        assert recent.email in seats_csv(organization, at=NOON)


class TestGroups:
    def test_a_person_in_two_organizations_of_a_group_holds_one_seat(self) -> None:
        first, second = licensed(seats=3), licensed(seats=2)
        shared = member(first)
        add_member(organization_id=second.id, user=shared, role=Role.MEMBER, actor=SYSTEM, at=NOON)

        group = grouped(first, second)

        assert used(first) == used(second) == 6
        assert SeatPool.objects.get(id=group.id).used == 6
        remove_member(
            organization_id=first.id, user_id=shared.id, reason="", actor=OPERATOR, at=NOON
        )
        assert used(first) == 6
        remove_member(
            organization_id=second.id, user_id=shared.id, reason="", actor=OPERATOR, at=NOON
        )
        assert used(first) == 5

    def test_merging_over_the_line_starts_the_grace_and_nobody_loses_a_seat(self) -> None:
        first, second = licensed(seats=30), licensed(seats=30)

        grouped(first, second)

        for organization in (first, second):
            standing = standing_of(organization.id, at=NOON)
            assert (standing.status, standing.seats.used) == ("over_seats", 60)
            assert standing.grace_until == NOON + 14 * DAY

    def test_leaving_a_group_takes_ones_own_people_along(self) -> None:
        first, second = licensed(seats=3), licensed(seats=2)
        shared = member(first)
        add_member(organization_id=second.id, user=shared, role=Role.MEMBER, actor=SYSTEM, at=NOON)
        grouped(first, second)
        first.refresh_from_db()

        leave_group(organization_id=second.id, actor=OPERATOR, at=NOON + DAY)

        counts = [
            standing_of(organization.id, at=NOON + DAY).seats.used
            for organization in (first, second)
        ]
        assert counts == [4, 3]

    def test_statements_signed_before_the_merger_add_up(self) -> None:
        first, second = licensed(at=NOON - DAY), licensed(at=NOON - DAY)

        grouped(first, second)

        standing = standing_of(first.id, at=NOON)
        assert standing.may_generate
        assert standing.status in {"community", "approaching"}

    def test_an_outsider_of_the_group_is_not_counted(self) -> None:
        first, second, outside = licensed(seats=2), licensed(seats=2), licensed(seats=7)

        grouped(first, second)

        assert used(outside) == 7


class TestSnapshots:
    def test_the_day_keeps_its_peak_though_seats_are_freed(self) -> None:
        organization = licensed(seats=5, at=NOON)
        leaver = organization.memberships.filter(role=Role.MEMBER).first()
        remove_member(
            organization_id=organization.id,
            user_id=leaver.user_id,
            reason="",
            actor=OPERATOR,
            at=NOON + timedelta(hours=1),
        )

        take_seat_snapshots(day=NOON.date(), at=NOON + timedelta(hours=2))
        take_seat_snapshots(day=NOON.date(), at=NOON + timedelta(hours=3))

        line = SeatSnapshot.objects.get(pool_id=organization.id)
        assert (line.used, line.peak, line.limit) == (4, 5, 50)
        assert standing_of(organization.id, at=NOON + DAY).seats.peak == 5

    def test_the_forecast_names_the_day_on_which_the_line_is_reached(self) -> None:
        organization = bare()
        for day in range(11):
            SeatSnapshot.objects.create(
                pool_id=organization.id,
                day=(NOON - (10 - day) * DAY).date(),
                used=20 + day,
                pending=0,
                limit=50,
                peak=20 + day,
            )

        standing = standing_of(organization.id, at=NOON)

        # Nobody holds a seat yet, one a day comes, and the fifty-first is over the line.
        assert standing.seats.line_reached_on == (NOON + 51 * DAY).date()


class TestReminders:
    def test_go_out_once_at_thirty_fourteen_three_and_one_days(self) -> None:
        organization = licensed(at=NOON)
        expiry = NOON + 300 * DAY

        sent = [
            send_attestation_reminders(at=expiry - days_left * DAY)
            for days_left in (40, 30, 29, 14, 13, 3, 2, 1)
        ]
        again = send_attestation_reminders(at=expiry - timedelta(hours=1))

        assert sent == [0, 1, 0, 1, 0, 1, 0, 1]
        assert again == 0
        first = OutgoingMail.objects.order_by("created_at").first()
        assert first is not None
        assert organization.name in first.subject
        assert "no grace" in first.text


class TestPermissions:
    def test_only_owners_sign_and_hand_over(self) -> None:
        for permission in (Permission.SIGN, Permission.TRANSFER):
            assert {role for role in Role if permission in TABLE[role]} == {Role.OWNER}

    def test_an_auditor_changes_nothing(self) -> None:
        changing = {p for p in Permission if p.startswith(("manage", "generate", "sign", "trans"))}

        assert not TABLE[Role.AUDITOR] & changing

    def test_only_owners_make_owners(self) -> None:
        assert may_grant(Role.OWNER, Role.OWNER)
        assert not may_grant(Role.ADMIN, Role.OWNER)
        assert may_grant(Role.ADMIN, Role.ADMIN)
        assert not may_grant(Role.MEMBER, Role.MEMBER)

    def test_a_stranger_has_none_and_a_removed_member_neither(self) -> None:
        organization = licensed(seats=2)
        leaver = organization.memberships.get(role=Role.MEMBER).user
        remove_member(
            organization_id=organization.id, user_id=leaver.id, reason="", actor=OPERATOR, at=NOON
        )

        assert permissions_of(person(), organization.id) == frozenset()
        assert permissions_of(leaver, organization.id) == frozenset()

    def test_the_operator_looks_but_does_not_sign(self) -> None:
        organization = licensed()
        operator = person()
        operator.is_staff = True

        assert Permission.VIEW in permissions_of(operator, organization.id)
        assert Permission.SIGN not in permissions_of(operator, organization.id)


def test_seats_held_and_memberships_agree() -> None:
    organization = licensed(seats=6)

    seats = Seat.objects.filter(pool_id=organization.id, released_at=None).count()

    assert seats == Membership.objects.filter(organization=organization).count() == 6
