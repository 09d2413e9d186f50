"""One member's page: roles, removal, ownership; and the seats that are taken back."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from governance.models import Membership, Organization, Role, Seat, User
from governance.operations.end_users import claim_end_user_seat, set_end_user_policy
from tests.governance.pages import owner_of, signed_in
from tests.governance.tenants import OPERATOR, licensed, member

pytestmark = pytest.mark.django_db


def page(organization: Organization, user: User, act: str = "") -> str:
    return f"/o/{organization.slug}/people/{user.id}/{act}"


def role_of(organization: Organization, user: User) -> str:
    return Membership.objects.get(organization=organization, user=user).role


class TestRoles:
    def test_an_admin_changes_a_members_role(self) -> None:
        organization = licensed(at=now())
        admin, guest = member(organization, role=Role.ADMIN), member(organization)

        signed_in(admin).post(page(organization, guest, "role/"), {"role": "auditor"})

        assert role_of(organization, guest) == "auditor"

    def test_an_admin_makes_no_owner_and_touches_none(self) -> None:
        organization = licensed(at=now())
        admin, owner = member(organization, role=Role.ADMIN), owner_of(organization)
        second = member(organization, role=Role.OWNER)
        client = signed_in(admin)

        client.post(page(organization, admin, "role/"), {"role": "owner"})
        client.post(page(organization, second, "role/"), {"role": "member"})
        client.post(page(organization, second, "remove/"))
        client.post(f"/o/{organization.slug}/seats/reclaim/", {"person": str(second.id)})

        assert role_of(organization, admin) == "admin"
        assert role_of(organization, owner) == role_of(organization, second) == "owner"
        assert not Membership.objects.filter(deactivated_at__isnull=False).exists()

    def test_a_member_sees_nobodys_page(self) -> None:
        organization = licensed(at=now())
        guest = member(organization)

        assert signed_in(guest).get(page(organization, guest)).status_code == 404

    def test_the_last_owner_is_told_why_they_stay(self) -> None:
        organization = licensed(at=now())
        owner = owner_of(organization)

        answer = signed_in(owner).post(page(organization, owner, "remove/"), follow=True)

        assert "This is the last owner" in answer.content.decode()
        assert role_of(organization, owner) == "owner"


def test_ownership_is_handed_over_from_the_page() -> None:
    organization = licensed(at=now())
    owner, heir = owner_of(organization), member(organization)
    client = signed_in(owner)
    assert (
        "becomes owner and you become an admin"
        in client.get(page(organization, heir)).content.decode()
    )

    client.post(page(organization, heir, "transfer/"))

    assert (role_of(organization, owner), role_of(organization, heir)) == ("admin", "owner")


def test_a_removed_person_is_out_with_the_next_click() -> None:
    organization = licensed(at=now())
    guest = member(organization)
    inside = signed_in(guest)
    assert inside.get(f"/o/{organization.slug}/licence/").status_code == 200

    signed_in(owner_of(organization)).post(page(organization, guest, "remove/"))

    assert inside.get(f"/o/{organization.slug}/licence/").status_code == 404
    assert not Seat.objects.filter(user=guest, released_at=None).exists()


def test_idle_people_and_end_users_are_suggested_and_freed_together() -> None:
    long_ago = now() - timedelta(days=90)
    organization = licensed(at=long_ago)
    idle = member(organization, at=long_ago)
    set_end_user_policy(organization_id=organization.id, counted=True, actor=OPERATOR, at=long_ago)
    seat = claim_end_user_seat(
        organization_id=organization.id, end_user="x-1", actor=OPERATOR, at=long_ago
    )
    assert seat is not None
    client = signed_in(owner_of(organization))
    shown = client.get(f"/o/{organization.slug}/seats/").content.decode()

    client.post(
        f"/o/{organization.slug}/seats/reclaim/", {"person": str(idle.id), "seat": str(seat.id)}
    )

    assert f'name="person" value="{idle.id}"' in shown
    assert f'name="seat" value="{seat.id}"' in shown
    assert Seat.objects.filter(released_at=None).count() == 1
