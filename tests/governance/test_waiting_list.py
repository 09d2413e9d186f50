"""The line at a full door: in order, told by mail, and not blocked by who does not come."""

from datetime import timedelta

import pytest

from governance.kernel.actors import SYSTEM
from governance.models import AuditEntry, Invitation, Membership, Organization, OutgoingMail, Role
from governance.operations.invitations import (
    InvitationSpent,
    MadeInvitation,
    accept_invitation,
    invite_member,
)
from governance.operations.members import remove_member
from governance.operations.seats import SeatLimitReached
from governance.operations.terms import change_rule
from governance.operations.waiting_list import call_waiting, waiting_in
from governance.queries.standing import standing_of
from tests.governance.tenants import DAY, NOON, OPERATOR, licensed

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def invited(organization: Organization, name: str) -> MadeInvitation:
    return invite_member(
        organization_id=organization.id,
        email=f"{name}@example.com",
        role=Role.MEMBER,
        actor=OPERATOR,
        at=NOON,
    )


def place(made: MadeInvitation, minutes: int) -> int:
    with pytest.raises(SeatLimitReached) as full:
        accept_invitation(token=made.token, actor=SYSTEM, at=NOON + minutes * MINUTE)
    return int(full.value.facts["waiting_list_place"])


def leave(organization: Organization) -> None:
    member = organization.memberships.filter(role=Role.MEMBER, deactivated_at=None).first()
    assert member is not None
    remove_member(
        organization_id=organization.id,
        user_id=member.user_id,
        reason="left",
        actor=OPERATOR,
        at=NOON + 5 * MINUTE,
    )


def called() -> list[str]:
    """Who was told, in order."""
    letters = OutgoingMail.objects.filter(kind="seat_free").order_by("created_at", "to_address")
    return list(letters.values_list("to_address", flat=True))


def link() -> str:
    letter = OutgoingMail.objects.filter(kind="seat_free").latest("created_at")
    return letter.text.split("/invitations/")[1].split("/")[0]


class TestTheLine:
    def test_a_freed_seat_is_kept_for_who_waits_longest(self) -> None:
        organization = licensed(seats=50)
        first, second, newcomer = (invited(organization, name) for name in ("a", "b", "c"))
        assert (place(first, 1), place(second, 2)) == (1, 2)
        leave(organization)

        assert place(newcomer, 6) == 3
        assert place(second, 7) == 2
        membership = accept_invitation(token=first.token, actor=SYSTEM, at=NOON + 8 * MINUTE)

        assert membership.user.email == "a@example.com"
        assert standing_of(organization.id, at=NOON + 9 * MINUTE).seats.used == 50

    def test_who_is_invited_again_keeps_the_place(self) -> None:
        organization = licensed(seats=50)
        place(invited(organization, "a"), 1)
        place(invited(organization, "b"), 2)

        assert place(invited(organization, "a"), 3) == 1

    def test_a_soft_door_has_no_line(self) -> None:
        organization = licensed(seats=50)
        first, second = invited(organization, "a"), invited(organization, "b")
        place(first, 1)
        change_rule(
            rule_id="seats", changes={"door": "soft"}, label="soft", effective_from=NOON,
            reason="", actor=OPERATOR, at=NOON,
        )  # fmt: skip

        accept_invitation(token=second.token, actor=SYSTEM, at=NOON + 3 * MINUTE)

        assert Membership.objects.filter(user__email="b@example.com").exists()


class TestCalling:
    def test_whoever_is_next_is_told_once_with_a_link_that_works(self) -> None:
        organization = licensed(seats=50)
        first, second = invited(organization, "a"), invited(organization, "b")
        place(first, 1)
        place(second, 2)
        assert call_waiting(at=NOON + 3 * MINUTE) == 0
        leave(organization)

        sent = [call_waiting(at=NOON + minutes * MINUTE) for minutes in (6, 7)]

        assert sent == [1, 0]
        assert called() == ["a@example.com"]
        assert AuditEntry.objects.filter(act="invitation.called").count() == 1
        with pytest.raises(InvitationSpent):
            accept_invitation(token=first.token, actor=SYSTEM, at=NOON + 8 * MINUTE)
        accept_invitation(token=link(), actor=SYSTEM, at=NOON + 8 * MINUTE)
        assert Invitation.objects.get(email="a@example.com").accepted_at is not None

    def test_a_raised_limit_calls_as_many_as_fit(self) -> None:
        organization = licensed(seats=50)
        for minute, name in enumerate("abc"):
            place(invited(organization, name), minute)
        change_rule(
            rule_id="seats", changes={"limit": 52}, label="more", effective_from=NOON,
            reason="", actor=OPERATOR, at=NOON,
        )  # fmt: skip

        assert call_waiting(at=NOON + 5 * MINUTE) == 2
        assert called() == ["a@example.com", "b@example.com"]

    def test_a_seat_is_not_kept_for_ever_for_who_does_not_come(self) -> None:
        organization = licensed(seats=50)
        first, second = invited(organization, "a"), invited(organization, "b")
        place(first, 1)
        place(second, 2)
        leave(organization)
        call_waiting(at=NOON + 6 * MINUTE)

        assert call_waiting(at=NOON + 3 * DAY + 7 * MINUTE) == 1
        assert called() == ["a@example.com", "b@example.com"]
        accept_invitation(token=link(), actor=SYSTEM, at=NOON + 3 * DAY + 8 * MINUTE)

        assert [i.email for i in waiting_in(organization.id, at=NOON + 4 * DAY)] == [
            "a@example.com"
        ]
