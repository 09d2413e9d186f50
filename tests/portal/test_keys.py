"""API keys, the audit log and the search, through the pages."""

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.models import ApiKey, AuditEntry, Organization, Role, User
from governance.operations.api_keys import CreatedKey, authenticate
from governance.operations.organizations import add_member
from tests.factories import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def form(organization: Organization) -> dict[str, object]:
    """What a person fills in for a new key."""
    return {
        "name": "Website",
        "project": str(organization.projects.get().id),
        "mode": "live",
        "days": "90",
        "scopes": ["images:write"],
    }


class TestNewKey:
    def test_is_shown_once_and_works(
        self, reader: Client, home: str, form: dict[str, object]
    ) -> None:
        page = reader.post(f"{home}keys/new/", form)
        secret = page.context["made"].secret

        caller = authenticate(secret=secret, at=now(), ip=None)

        assert page.status_code == 201
        assert secret in page.content.decode()
        assert caller.scopes == {"images:write"}
        assert secret not in reader.get(f"{home}keys/").content.decode()

    def test_page_is_kept_by_no_cache(
        self, reader: Client, home: str, form: dict[str, object]
    ) -> None:
        answer = reader.post(f"{home}keys/new/", form)

        assert "no-store" in answer.headers["Cache-Control"]

    def test_without_a_name_is_not_made(
        self, reader: Client, home: str, form: dict[str, object]
    ) -> None:
        answer = reader.post(f"{home}keys/new/", {**form, "name": ""})

        assert b"This field is required" in answer.content
        assert not ApiKey.objects.exists()

    def test_of_another_tenants_project_is_not_made(
        self, reader: Client, home: str, form: dict[str, object], stranger: User
    ) -> None:
        theirs = stranger.memberships.get().organization.projects.get()

        reader.post(f"{home}keys/new/", {**form, "project": str(theirs.id)})

        assert not ApiKey.objects.exists()

    def test_is_not_for_an_auditor(self, organization: Organization, home: str) -> None:
        auditor = User.objects.create_user("auditor@example.com", name="Ada")
        add_member(
            organization_id=organization.id, user=auditor, role=Role.AUDITOR, actor=SYSTEM, at=NOON
        )
        browser = Client()
        browser.force_login(auditor)

        assert browser.get(f"{home}keys/new/").status_code == 404
        assert browser.get(f"{home}keys/").status_code == 200


class TestRevoking:
    def test_says_the_consequence_first_and_then_does_it(
        self, reader: Client, home: str, api_key: CreatedKey
    ) -> None:
        place = f"{home}keys/{api_key.key.id}/revoke/"
        asked = reader.get(place)
        untouched = ApiKey.objects.get().revoked_at

        reader.post(place)

        assert b"This cannot be undone" in asked.content
        assert untouched is None
        assert ApiKey.objects.get().revoked_at is not None
        assert AuditEntry.objects.filter(act="api_key.revoked", actor_kind="user").exists()


class TestAuditLog:
    def test_filters_by_act(self, reader: Client, home: str, api_key: CreatedKey) -> None:
        assert b"api_key.created" in reader.get(f"{home}audit/?act=api_key.").content
        assert b"No entry fits" in reader.get(f"{home}audit/?act=generation.").content

    def test_csv_holds_the_filtered_entries(
        self, reader: Client, home: str, api_key: CreatedKey
    ) -> None:
        lines = reader.get(f"{home}audit.csv?act=api_key.").content.decode().splitlines()

        assert len(lines) == 2
        assert ",api_key.created," in lines[1]

    def test_goes_on_where_the_page_ended(self, reader: Client, home: str) -> None:
        first = reader.get(f"{home}audit/").context["page"].rows[0]

        rest = reader.get(
            f"{home}audit/?after={first.at.isoformat().replace('+', '%2B')}_{first.id}"
        )

        assert first.id not in {row.id for row in rest.context["page"].rows}

    @pytest.mark.parametrize("query", ["after=x", "after=2026-01-01T00:00:00_x"])
    def test_broken_cursors_are_not_found(self, reader: Client, home: str, query: str) -> None:
        assert reader.get(f"{home}audit/?{query}").status_code == 404

    def test_a_day_that_is_none_is_ignored(self, reader: Client, home: str) -> None:
        assert reader.get(f"{home}audit/?since=2026-02-31&until=soon").status_code == 200


class TestSearch:
    def test_finds_own_organizations_only(
        self, reader: Client, organization: Organization, stranger: User
    ) -> None:
        page = reader.get("/search/?q=e", headers={"HX-Request": "true"}).content.decode()

        assert "Elsewhere" not in page

    def test_of_a_foreign_organization_finds_nothing_there(
        self, reader: Client, stranger: User
    ) -> None:
        theirs = stranger.memberships.get().organization

        page = reader.get(f"/search/?q=key&in={theirs.slug}").content.decode()

        assert f"/o/{theirs.slug}/" not in page
