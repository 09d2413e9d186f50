"""API keys, the audit log and the search, through the pages."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.models import ApiKey, AuditEntry, Organization, Role, User
from governance.operations.api_keys import (
    CreatedKey,
    InvalidApiKey,
    authenticate,
    create_api_key,
)
from governance.operations.key_uses import collect_key_uses
from governance.operations.mail import deliver_due_mail
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
        secret = page.context["secret"]

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

    def test_gets_its_networks_and_its_budget(
        self, reader: Client, home: str, form: dict[str, object]
    ) -> None:
        limits = {"networks": "203.0.113.0/24\n2001:db8::1", "budget": "12.5"}
        reader.post(f"{home}keys/new/", {**form, **limits})

        page = reader.get(f"{home}keys/").content.decode()

        assert ApiKey.objects.get().allowed_networks == ["203.0.113.0/24", "2001:db8::1/128"]
        assert "$0.00 of $12.50" in page

    def test_with_a_network_that_is_none_is_not_made(
        self, reader: Client, home: str, form: dict[str, object]
    ) -> None:
        answer = reader.post(f"{home}keys/new/", {**form, "networks": "the office"})

        assert b"is no network" in answer.content
        assert not ApiKey.objects.exists()


class TestOneKey:
    def test_shows_what_would_break(self, reader: Client, home: str, api_key: CreatedKey) -> None:
        headers = {"Authorization": f"Bearer {api_key.secret}", "User-Agent": "n8n/1.2"}
        Client().get("/v1/models", headers=headers)
        collect_key_uses(at=now())

        page = reader.get(f"{home}keys/{api_key.key.id}/").content.decode()

        assert "n8n/1.2" in page
        assert "1 call by 1 client from 1 address" in page

    def test_is_rotated_with_a_grace_and_the_old_secret_can_be_stopped(
        self, reader: Client, home: str, api_key: CreatedKey
    ) -> None:
        place = f"{home}keys/{api_key.key.id}/"
        made = reader.post(f"{place}rotate/", {"hours": "24"})
        both = [made.context["secret"], api_key.secret]
        callers = {authenticate(secret=one, at=now(), ip=None).key_id for one in both}
        during = reader.get(place).content.decode()

        reader.post(f"{place}end-grace/")

        assert callers == {api_key.key.id}
        assert f"…{api_key.secret[-4:]}" in during
        with pytest.raises(InvalidApiKey):
            authenticate(secret=api_key.secret, at=now(), ip=None)

    def test_gets_limits_and_loses_them(
        self, reader: Client, home: str, api_key: CreatedKey
    ) -> None:
        place = f"{home}keys/{api_key.key.id}/"
        reader.post(f"{place}limits/", {"networks": "10.0.0.0/8", "budget": "3"})
        limited = reader.get(place).content.decode()
        reader.post(f"{place}limits/", {"networks": "", "budget": ""})
        free = reader.get(place).content.decode()

        assert "$0.00 <small>of $3.00 this month" in limited
        assert ("10.0.0.0/8" in limited, "10.0.0.0/8" in free) == (True, False)
        assert "No limit of its own" in free

    def test_of_another_tenant_is_not_found(
        self, reader: Client, home: str, stranger: User
    ) -> None:
        project = stranger.memberships.get().organization.projects.get()
        theirs = create_api_key(project=project, name="Theirs", actor=SYSTEM, at=NOON).key

        found = {
            reader.get(f"{home}keys/{theirs.id}/").status_code,
            reader.post(f"{home}keys/{theirs.id}/rotate/", {"hours": "0"}).status_code,
            reader.post(f"{home}keys/{theirs.id}/limits/", {}).status_code,
            reader.post(f"{home}keys/{theirs.id}/revoke/").status_code,
            reader.post(f"{home}keys/{theirs.id}/end-grace/").status_code,
        }

        assert found == {404}


class TestAMembersKeys:
    """A member manages keys, but no key may do more than the person who sees its secret."""

    @pytest.fixture
    def member(self, organization: Organization) -> Client:
        user = User.objects.create_user("member@example.com", name="Mo")
        add_member(
            organization_id=organization.id, user=user, role=Role.MEMBER, actor=SYSTEM, at=NOON
        )
        browser = Client()
        browser.force_login(user)
        return browser

    def test_never_administer_the_organization(
        self, member: Client, home: str, form: dict[str, object]
    ) -> None:
        member.post(f"{home}keys/new/", {**form, "scopes": ["organization:write"]})

        assert not ApiKey.objects.exists()

    def test_are_not_rotated_from_a_key_that_does(
        self, member: Client, home: str, api_key: CreatedKey
    ) -> None:
        answer = member.post(f"{home}keys/{api_key.key.id}/rotate/", {"hours": "0"})

        assert answer.status_code == 404
        assert ApiKey.objects.get(id=api_key.key.id).rotated_at is None

    def test_are_made_for_images(self, member: Client, home: str, form: dict[str, object]) -> None:
        assert member.post(f"{home}keys/new/", form).status_code == 201


class TestStepUp:
    def test_a_person_with_a_password_is_asked_for_it(
        self, reader: Client, owner: User, home: str, form: dict[str, object]
    ) -> None:
        owner.set_password("a long enough password")
        owner.save()
        reader.force_login(owner)
        asked = reader.post(f"{home}keys/new/", form)
        nothing_yet = ApiKey.objects.exists()

        page = reader.post(asked.headers["Location"], {"password": "a long enough password"})

        # The form that was sent before is carried out now.
        assert asked.status_code == 302
        assert "reauthenticate" in asked.headers["Location"]
        assert not nothing_yet
        assert page.status_code == 201
        assert ApiKey.objects.get().name == "Website"

    def test_a_person_of_login_links_is_sent_a_fresh_one(
        self, reader: Client, owner: User, home: str
    ) -> None:
        User.objects.filter(id=owner.id).update(last_login=now() - timedelta(hours=1))
        page = reader.get(f"{home}keys/new/")

        reader.post("/confirm/", {"next": f"{home}keys/new/"})
        deliver_due_mail(at=now())
        link = re.search(r"/login/\S+", mail.outbox[0].body)
        assert link is not None
        back = reader.post(link.group())

        assert page.status_code == 403
        assert b"Is it still you?" in page.content
        assert mail.outbox[0].to == [owner.email]
        assert back.headers["Location"] == f"{home}keys/new/"
        assert reader.get(f"{home}keys/new/").status_code == 200

    def test_the_link_leads_nowhere_outside(self, reader: Client) -> None:
        reader.post("/confirm/", {"next": "https://evil.example/"})

        deliver_due_mail(at=now())
        assert "evil" not in mail.outbox[0].body

    def test_revoking_asks_nothing(
        self, reader: Client, owner: User, home: str, api_key: CreatedKey
    ) -> None:
        User.objects.filter(id=owner.id).update(last_login=now() - timedelta(hours=1))

        reader.post(f"{home}keys/{api_key.key.id}/revoke/")

        assert ApiKey.objects.get().revoked_at is not None


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
