"""SCIM 2.0 against a public compliance checker, and what it does to seats."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from governance.kernel.actors import SYSTEM
from governance.models import DirectoryResource, Membership, Organization, Role
from governance.operations.directory import create_directory_token, revoke_directory_token
from governance.operations.organizations import add_member
from governance.queries.standing import standing_of
from tests.governance.tenants import NOON, bare, licensed, person

USERS = "/scim/v2/Users"


class Directory:
    """A customer's directory as a client."""

    def __init__(self, organization: Organization) -> None:
        self.made = create_directory_token(
            organization_id=organization.id, label="Okta", actor=SYSTEM, at=NOON
        )
        self.client = Client(headers={"Authorization": f"Bearer {self.made.secret}"})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.generic(
            method,
            path,
            json.dumps(body) if body is not None else "",
            content_type="application/scim+json",
            headers=headers,
        )

    def create(self, name: str, **more: Any) -> Any:
        schema = "urn:ietf:params:scim:schemas:core:2.0:User"
        return self.send("POST", USERS, {"schemas": [schema], "userName": name, **more})

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> Any:
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": list(operations),
        }
        return self.send("PATCH", path, body, **headers)


def used(organization: Organization) -> int:
    return standing_of(organization.id, at=now()).seats.used


@pytest.mark.django_db(transaction=True)
def test_the_public_compliance_checker_finds_no_failure(live_server: Any) -> None:
    import httpx2

    organization = bare()
    directory = Directory(organization)
    with httpx2.Client(
        base_url=f"{live_server.url}/scim/v2",
        headers={"Authorization": f"Bearer {directory.made.secret}"},
        timeout=30,
    ) as http:
        client = SyncSCIMClient(http)
        client.discover()
        results = check_server(client)

    failures = [
        f"{r.title}: {r.reason}"
        for r in results
        if r.status not in {Status.SUCCESS, Status.SKIPPED}
    ]
    assert failures == []
    assert sum(r.status == Status.SUCCESS for r in results) > 50


@pytest.mark.django_db
class TestProvisioning:
    def test_a_provisioned_person_is_a_member_with_a_seat(self) -> None:
        organization = licensed()
        directory = Directory(organization)

        made = directory.create("mei@example.com", displayName="Mei Tanaka")

        assert made.status_code == 201, made.content
        membership = Membership.objects.get(user__email="mei@example.com")
        assert (membership.organization_id, membership.source) == (organization.id, "scim")
        assert membership.user.name == "Mei Tanaka"
        assert used(organization) == 2

    def test_deactivation_frees_the_seat_at_once_and_reactivation_takes_it_again(self) -> None:
        organization = licensed()
        directory = Directory(organization)
        path = f"{USERS}/{directory.create('mei@example.com').json()['id']}"

        off = directory.patch(path, {"op": "replace", "path": "active", "value": False})
        after_off = used(organization)
        on = directory.patch(path, {"op": "replace", "path": "active", "value": True})

        assert (off.status_code, on.status_code) == (204, 204)
        assert directory.client.get(path).json()["active"] is True
        assert (after_off, used(organization)) == (1, 2)

    def test_deletion_frees_the_seat(self) -> None:
        organization = licensed()
        directory = Directory(organization)
        path = f"{USERS}/{directory.create('mei@example.com').json()['id']}"

        gone = directory.send("DELETE", path)

        assert gone.status_code == 204
        assert directory.send("GET", path).status_code == 404
        assert used(organization) == 1

    def test_a_directory_may_cross_the_line_and_grace_runs(self) -> None:
        organization = licensed(seats=50)

        made = Directory(organization).create("late@example.com")

        assert made.status_code == 201
        standing = standing_of(
            organization.id, at=Membership.objects.latest("created_at").created_at
        )
        assert (standing.status, standing.seats.used) == ("over_seats", 51)

    def test_a_person_who_is_a_member_already_keeps_one_seat_and_their_own_name(self) -> None:
        organization = licensed()
        ann = person("Ann")
        add_member(
            organization_id=organization.id, user=ann, role=Role.ADMIN, actor=SYSTEM, at=NOON
        )

        Directory(organization).create(ann.email, displayName="Somebody Else")

        ann.refresh_from_db()
        membership = Membership.objects.get(user=ann)
        assert (used(organization), ann.name, membership.role) == (2, "Ann", "admin")

    def test_the_last_owner_cannot_be_deactivated_by_the_directory(self) -> None:
        organization = licensed()
        owner = organization.memberships.get().user
        directory = Directory(organization)
        path = f"{USERS}/{directory.create(owner.email).json()['id']}"

        refused = directory.patch(path, {"op": "replace", "path": "active", "value": False})

        assert refused.status_code == 400
        assert "last owner" in refused.json()["detail"]
        assert directory.send("GET", path).json().get("active", True)


@pytest.mark.django_db
class TestProtocol:
    def test_filter_finds_by_user_name_whatever_the_case(self) -> None:
        directory = Directory(licensed())
        directory.create("mei@example.com")
        directory.create("tom@example.com")

        found = directory.client.get(USERS, {"filter": 'userName eq "MEI@example.com"'}).json()

        assert found["totalResults"] == 1
        assert found["Resources"][0]["userName"] == "mei@example.com"

    def test_a_second_person_of_the_same_name_is_refused(self) -> None:
        directory = Directory(licensed())
        directory.create("mei@example.com")

        again = directory.create("MEI@example.com")

        assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")

    def test_a_stale_entity_tag_is_refused_and_a_fresh_one_accepted(self) -> None:
        directory = Directory(licensed())
        made = directory.create("mei@example.com")
        path = f"{USERS}/{made.json()['id']}"
        change = {"op": "replace", "path": "title", "value": "Head of design"}

        first = directory.patch(path, change, **{"If-Match": made["ETag"]})
        stale = directory.patch(path, {**change, "value": "Other"}, **{"If-Match": made["ETag"]})
        unchanged = directory.client.get(path, headers={"If-None-Match": first["ETag"]})

        assert (first.status_code, stale.status_code) == (204, 412)
        assert first["ETag"] != made["ETag"]
        assert unchanged.status_code == 304

    def test_groups_keep_their_members(self) -> None:
        directory = Directory(licensed())
        mei = directory.create("mei@example.com").json()["id"]
        schema = "urn:ietf:params:scim:schemas:core:2.0:Group"

        made = directory.send(
            "POST",
            "/scim/v2/Groups",
            {"schemas": [schema], "displayName": "Design", "members": [{"value": mei}]},
        )
        path = f"/scim/v2/Groups/{made.json()['id']}"
        directory.patch(path, {"op": "remove", "path": f'members[value eq "{mei}"]'})

        assert made.status_code == 201, made.content
        assert made.json()["members"][0]["value"] == mei
        assert not directory.client.get(path).json().get("members")

    def test_another_organizations_person_does_not_exist_here(self) -> None:
        mine, theirs = Directory(licensed()), Directory(licensed())
        path = f"{USERS}/{theirs.create('mei@example.com').json()['id']}"

        assert mine.send("GET", path).status_code == 404
        assert mine.send("DELETE", path).status_code == 404
        assert mine.client.get(USERS).json()["totalResults"] == 0

    def test_no_token_a_wrong_one_and_a_revoked_one_are_refused(self) -> None:
        organization = licensed()
        directory = Directory(organization)
        assert directory.client.get(USERS).status_code == 200

        revoke_directory_token(
            organization_id=organization.id,
            token_id=directory.made.token.id,
            actor=SYSTEM,
            at=NOON,
        )

        assert directory.client.get(USERS).status_code == 401
        assert Client().get(USERS).status_code == 401
        assert Client().get("/scim/v2/ServiceProviderConfig").status_code == 200
        assert DirectoryResource.objects.count() == 0
