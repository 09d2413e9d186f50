"""The unmodified openai package's admin client against our /v1/organization."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest
from django.utils.timezone import now

from billing.models import SpendAlert
from billing.operations.spend_alerts import tell_passed_alerts
from governance.kernel.actors import SYSTEM
from governance.models import Membership, Organization, OutgoingMail, Role, User
from governance.operations.api_keys import CreatedKey, create_api_key
from governance.operations.organizations import add_member
from inference.models import Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from tests.factories import NOON
from tests.inference.conftest import (  # noqa: F401 (fixtures)
    WORKER,
    SketchEngine,
    funded,
    release,
    releases,
    rung,
    submit,
    submitter,
)
from tests.portal.test_browser import prices  # noqa: F401 (fixture)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def admin(live_server: Any, api_key: CreatedKey) -> Any:
    """The admin client as its user makes it: base URL and key, nothing else."""
    client = openai.OpenAI(admin_api_key=api_key.secret, base_url=f"{live_server.url}/v1")
    yield client.admin.organization
    client.close()


@pytest.fixture
def delivered(
    prices: None,  # noqa: F811
    submit: Callable[..., Generation],  # noqa: F811
    releases: list[object],  # noqa: F811
) -> Generation:
    """One generation that was charged."""
    job = submit(seed=7, images=2)
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())  # type: ignore[arg-type]
    assert lease is not None
    run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)
    job.refresh_from_db()
    assert job.charged_microusd > 0
    return job


def letters() -> list[tuple[str, str]]:
    """What was posted: the kind of letter, and to whom."""
    return list(OutgoingMail.objects.values_list("kind", "to_address"))


def start() -> int:
    return int((now() - timedelta(days=2)).timestamp())


class TestUsage:
    def test_counts_images_by_what_is_asked(
        self, admin: Any, delivered: Generation, api_key: CreatedKey
    ) -> None:
        page = admin.usage.images(
            start_time=start(),
            bucket_width="1h",
            limit=168,
            group_by=["project_id", "api_key_id", "model", "size", "source"],
        )

        (result,) = [result for bucket in page.data for result in bucket.results]
        assert (result.images, result.num_model_requests) == (2, 1)
        assert result.api_key_id == str(api_key.key.id)
        assert result.project_id == str(api_key.key.project_id)
        assert (result.model, result.size) == ("krea-2-tiny-turbo", "64x64")
        assert result.source == "image.generation"
        assert result.user_id is None

    def test_goes_on_where_the_page_ended_and_misses_nothing(
        self, admin: Any, delivered: Generation
    ) -> None:
        begin, images, pages, page = start(), 0, 0, None
        while True:
            found = admin.usage.images(
                start_time=begin, bucket_width="1h", limit=20, **({"page": page} if page else {})
            )
            images += sum(result.images for bucket in found.data for result in bucket.results)
            pages += 1
            page = found.next_page
            if not found.has_more:
                break

        assert (images, pages) == (2, 3)

    def test_is_narrowed_to_a_key(
        self, admin: Any, delivered: Generation, api_key: CreatedKey
    ) -> None:
        def images(key: object) -> int:
            page = admin.usage.images(start_time=start(), api_key_ids=[str(key)])
            return sum(result.images for bucket in page.data for result in bucket.results)

        assert (images(api_key.key.id), images(delivered.id)) == (2, 0)

    def test_costs_are_what_was_charged(self, admin: Any, delivered: Generation) -> None:
        page = admin.usage.costs(start_time=start(), group_by=["line_item"])

        (result,) = [result for bucket in page.data for result in bucket.results]
        assert result.amount.value == delivered.charged_microusd / 1_000_000
        assert result.amount.currency == "usd"
        assert (result.quantity, result.quantity_unit) == (2, "images")
        assert result.line_item == "krea-2-tiny-turbo, 64x64"

    def test_of_others_is_not_seen(
        self, admin: Any, delivered: Generation, live_server: Any, stranger: User
    ) -> None:
        theirs = stranger.memberships.get().organization.projects.get()
        key = create_api_key(project=theirs, name="Theirs", actor=SYSTEM, at=NOON)
        other = openai.OpenAI(admin_api_key=key.secret, base_url=f"{live_server.url}/v1")

        page = other.admin.organization.usage.images(start_time=start())
        other.close()

        assert [result for bucket in page.data for result in bucket.results] == []

    def test_that_cannot_be_asked_is_a_bad_request(self, admin: Any) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            admin.usage.images(start_time=start(), group_by=["colour"])

        assert refused.value.param == "group_by"


class TestPeople:
    def member(self, organization: Organization, role: Role = Role.MEMBER) -> User:
        number = Membership.objects.count()
        user = User.objects.create_user(f"m{number}@example.com", name=f"M {number}")
        add_member(organization_id=organization.id, user=user, role=role, actor=SYSTEM, at=NOON)
        return user

    def test_users_are_listed_page_by_page(
        self, admin: Any, organization: Organization, owner: User
    ) -> None:
        people = {str(self.member(organization).id) for _ in range(4)} | {str(owner.id)}

        assert {user.id for user in admin.users.list(limit=2)} == people

    def test_a_user_gets_another_role_and_leaves(
        self, admin: Any, organization: Organization, owner: User
    ) -> None:
        user = self.member(organization)
        changed = admin.users.update(str(user.id), role="auditor")
        gone = admin.users.delete(str(user.id))

        assert (changed.role, changed.email) == ("auditor", user.email)
        assert gone.deleted is True
        with pytest.raises(openai.NotFoundError):
            admin.users.retrieve(str(user.id))

    def test_no_key_makes_or_removes_an_owner(
        self, admin: Any, organization: Organization, owner: User
    ) -> None:
        user = self.member(organization)
        for act in (
            lambda: admin.users.update(str(user.id), role="owner"),
            lambda: admin.users.update(str(owner.id), role="member"),
            lambda: admin.users.delete(str(owner.id)),
            lambda: admin.invites.create(email="x@example.com", role="owner"),
        ):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                act()
            assert refused.value.code == "role_not_grantable"

    def test_an_invitation_is_sent_listed_and_withdrawn(self, admin: Any, owner: User) -> None:
        made = admin.invites.create(email="new@example.com", role="reader")
        listed = [invite.id for invite in admin.invites.list()]
        seen = admin.invites.retrieve(made.id)
        gone = admin.invites.delete(made.id)

        assert (made.status, made.role, seen.email) == ("pending", "reader", "new@example.com")
        assert listed == [made.id]
        assert letters() == [("invitation", "new@example.com")]
        assert gone.deleted is True
        assert list(admin.invites.list()) == []


class TestProjects:
    def test_live_from_making_to_archiving(self, admin: Any, api_key: CreatedKey) -> None:
        made = admin.projects.create(name="Shop")
        renamed = admin.projects.update(made.id, name="Web shop")
        archived = admin.projects.archive(made.id)
        open_ones = {project.name for project in admin.projects.list()}
        all_of_them = {project.name for project in admin.projects.list(include_archived=True)}

        assert (renamed.name, archived.status) == ("Web shop", "archived")
        assert (open_ones, all_of_them) == ({"Default"}, {"Default", "Web shop"})

    def test_the_last_one_stays(self, admin: Any, api_key: CreatedKey) -> None:
        with pytest.raises(openai.ConflictError):
            admin.projects.archive(str(api_key.key.project_id))

    def test_keys_are_listed_without_secrets_and_revoked(
        self, admin: Any, api_key: CreatedKey, owner: User
    ) -> None:
        second = create_api_key(
            project=api_key.key.project,
            name="Second",
            actor=SYSTEM,
            at=NOON,
            created_by_id=owner.id,
        )
        project = str(api_key.key.project_id)
        listed = {key.id: key for key in admin.projects.api_keys.list(project_id=project)}
        admin.projects.api_keys.delete(str(second.key.id), project_id=project)

        seen = listed[str(second.key.id)]
        assert seen.redacted_value == second.key.prefix
        assert second.secret not in seen.to_json()
        assert seen.owner.user.email == owner.email
        with pytest.raises(openai.NotFoundError):
            admin.projects.api_keys.retrieve(str(second.key.id), project_id=project)


class TestAuditLog:
    def test_is_read_newest_first_page_by_page(self, admin: Any) -> None:
        for number in range(5):
            admin.projects.create(name=f"P{number}")

        entries = list(admin.audit_logs.list(limit=2, event_types=["project.created"]))

        moments = [entry.effective_at for entry in entries]
        assert len(entries) == 5
        assert moments == sorted(moments, reverse=True)
        assert {entry.actor.type for entry in entries} == {"api_key"}

    def test_is_narrowed_by_time(self, admin: Any) -> None:
        admin.projects.create(name="P")
        later = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())

        assert list(admin.audit_logs.list(effective_at={"gte": later})) == []
        assert list(admin.audit_logs.list(effective_at={"lt": later})) != []


class TestSpend:
    def test_limit_is_set_read_and_removed(self, admin: Any) -> None:
        with pytest.raises(openai.NotFoundError):
            admin.spend_limit.retrieve()
        made = admin.spend_limit.update(currency="USD", interval="month", threshold_amount=12_345)
        read = admin.spend_limit.retrieve()
        gone = admin.spend_limit.delete()

        assert made.threshold_amount == read.threshold_amount == 12_345
        assert read.enforcement.status == "inactive"
        assert gone.deleted is True

    def test_alerts_are_kept_and_told_once_a_month(self, admin: Any, delivered: Generation) -> None:
        alert: dict[str, Any] = {
            "currency": "USD",
            "interval": "month",
            "notification_channel": {
                "type": "email",
                "recipients": ["money@example.com"],
                "subject_prefix": "[Licet]",
            },
        }
        made = admin.spend_alerts.create(threshold_amount=100_000, **alert)
        SpendAlert.objects.update(threshold_microusd=delivered.charged_microusd)
        told = [tell_passed_alerts(at=now()) for _ in range(2)]
        changed = admin.spend_alerts.update(made.id, threshold_amount=500_000, **alert)
        listed = [each.id for each in admin.spend_alerts.list()]
        gone = admin.spend_alerts.delete(made.id)

        assert told == [1, 0]
        assert letters() == [("spend_alert", "money@example.com")]
        assert changed.threshold_amount == 500_000
        assert (listed, gone.deleted) == ([made.id], True)


def test_a_key_for_images_administers_nothing(live_server: Any, organization: Organization) -> None:
    key = create_api_key(
        project=organization.projects.get(),
        name="Images",
        actor=SYSTEM,
        at=NOON,
        scopes=("images:write",),
    )
    client = openai.OpenAI(admin_api_key=key.secret, base_url=f"{live_server.url}/v1")

    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.admin.organization.users.list()

    client.close()
    assert refused.value.code == "scope_missing"
