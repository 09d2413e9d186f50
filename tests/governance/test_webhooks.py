"""Webhooks: the outbox, retries, switching off, secrets, replay, and the addresses that calls name."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from standardwebhooks import WebhookVerificationError

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest, NotFound
from governance.kernel.retries import SCHEDULE_S, delay_after
from governance.models import (
    Organization,
    OutgoingMail,
    User,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookSecret,
)
from governance.operations.api_keys import CreatedKey, create_api_key, revoke_api_key
from governance.operations.webhook_delivery import (
    claim_deliveries,
    deliver_due_webhooks,
    forget_old_events,
)
from governance.operations.webhook_endpoints import (
    MOST_ENDPOINTS,
    MadeEndpoint,
    WebhookLimitReached,
    create_webhook_endpoint,
    replay_delivery,
    send_test_event,
)
from governance.operations.webhook_events import send_event
from governance.operations.webhook_secrets import (
    rotate_webhook_secret,
    secrets_in_force,
    signer_of_calls,
)
from tests.factories import NOON
from tests.governance.receivers import Receiver

pytestmark = pytest.mark.django_db
EVENT = "api_key.revoked"


@pytest.fixture(autouse=True)
def this_machine_is_opened(settings: Any) -> None:
    from ipaddress import ip_network

    settings.WEBHOOK_PRIVATE_NETWORKS = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def endpoint(organization: Organization, receiver: Receiver) -> MadeEndpoint:
    return registered(organization, receiver.url)


def registered(organization: Organization, url: str, *events: str) -> MadeEndpoint:
    return create_webhook_endpoint(
        organization_id=organization.id,
        url=url,
        events=events,
        description="",
        actor=SYSTEM,
        at=NOON,
    )


def happened(organization: Organization, type_: str = EVENT, **more: Any) -> WebhookEvent | None:
    return send_event(
        organization_id=organization.id, type=type_, data={"id": "key_1"}, at=NOON, **more
    )


def deliver(after: timedelta = timedelta(0)) -> int:
    return deliver_due_webhooks(clock=lambda: NOON + after)


def only_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


class TestOutbox:
    def test_an_event_arrives_signed(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        event = happened(organization)
        deliver()

        assert event is not None
        # The library checks the age of the timestamp against the present, so only the form is checked here.
        headers, body = receiver.got[0]
        assert headers["webhook-id"] == f"msg_{event.id.hex}"
        assert headers["webhook-signature"].startswith("v1,")
        assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
        assert json.loads(body) == {
            "type": EVENT,
            "timestamp": NOON.isoformat(),
            "data": {"id": "key_1"},
        }
        assert only_delivery().state == "delivered"

    def test_the_library_of_the_receiver_accepts_it_and_refuses_another_secret(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        from django.utils.timezone import now

        happened(organization)
        deliver_due_webhooks(clock=now)

        assert receiver.verified(endpoint.secret)["type"] == EVENT  # type: ignore[index]
        with pytest.raises(WebhookVerificationError):
            receiver.verified("whsec_" + "A" * 44)

    def test_stands_or_falls_with_what_happened(
        self, organization: Organization, endpoint: MadeEndpoint
    ) -> None:
        class Undone(Exception):
            pass

        with pytest.raises(Undone), transaction.atomic():
            happened(organization)
            raise Undone

        assert not WebhookEvent.objects.exists()

    def test_rings_the_bell_after_the_commit_only(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        django_capture_on_commit_callbacks: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        rung: list[str] = []
        monkeypatch.setattr(
            "governance.operations.webhook_events.outbox_bells.items",
            {"test": lambda: rung.append("ring")},
        )
        with django_capture_on_commit_callbacks(execute=True):
            happened(organization)
            before = list(rung)

        assert (before, rung) == ([], ["ring"])

    def test_writes_nothing_where_nobody_listens(
        self,
        organization: Organization,
        receiver: Receiver,
    ) -> None:
        registered(organization, receiver.url, "api_key.leaked")

        assert happened(organization) is None
        assert not WebhookEvent.objects.exists()

    def test_goes_to_the_own_organization_only(
        self,
        organizations: Callable[..., Organization],
        receiver: Receiver,
    ) -> None:
        registered(organizations(), receiver.url)

        assert happened(organizations()) is None

    def test_a_revoked_key_is_told(
        self,
        api_key: CreatedKey,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        revoke_api_key(
            key_id=api_key.key.id,
            organization_id=api_key.key.organization_id,
            actor=SYSTEM,
            at=NOON,
        )
        deliver()

        body = json.loads(receiver.got[0][1])
        assert (body["type"], body["data"]["id"]) == ("api_key.revoked", str(api_key.key.id))


class TestRetries:
    def test_go_on_until_the_receiver_answers(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        receiver.statuses = [500, 302, 200]
        happened(organization)
        for hours in (0, 1, 2):
            deliver(timedelta(hours=hours))

        assert [attempt.status for attempt in only_delivery().tries.order_by("number")] == [
            500,
            302,
            200,
        ]
        assert only_delivery().state == "delivered"
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1

    def test_wait_between_attempts(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        receiver.statuses = [500]
        happened(organization)

        sent = [deliver(), deliver(timedelta(seconds=1)), deliver(timedelta(seconds=10))]

        assert sent == [1, 0, 1]

    def test_wait_as_long_as_the_receiver_asks(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        receiver.statuses, receiver.headers = [429], {"Retry-After": "600"}
        happened(organization)
        deliver()

        assert only_delivery().next_attempt_at == NOON + timedelta(seconds=600)

    def test_end_after_three_days(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        receiver.statuses = [500]
        happened(organization)
        for day in range(len(SCHEDULE_S) + 3):
            deliver(timedelta(days=2 * day))

        assert only_delivery().state == "failed"
        assert only_delivery().attempts == len(SCHEDULE_S) + 1
        assert WebhookEndpoint.objects.get().failing_since == NOON

    @pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
    def test_are_spread_by_a_fifth_over_three_days(self, chance: float) -> None:
        pauses = [delay_after(number, chance=chance) for number in range(1, len(SCHEDULE_S) + 1)]

        total = sum((pause for pause in pauses if pause), timedelta(0))
        assert timedelta(days=2.4) < total < timedelta(days=4)
        assert delay_after(len(SCHEDULE_S) + 1, chance=chance) is None

    def test_a_delivery_whose_worker_died_is_taken_again_after_the_lease(
        self, organization: Organization, endpoint: MadeEndpoint
    ) -> None:
        happened(organization)
        first = claim_deliveries(at=NOON)
        during = claim_deliveries(at=NOON + timedelta(seconds=30))

        after = claim_deliveries(at=NOON + timedelta(minutes=3))

        assert ([p.number for p in first], during, [p.number for p in after]) == ([1], [], [2])

    def test_one_busy_endpoint_leaves_room_for_the_others(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        for _ in range(40):
            happened(organization)
        registered(organization, receiver.url + "&other=1", "api_key.leaked")
        happened(organization, "api_key.leaked")

        urls = [parcel.url for parcel in claim_deliveries(at=NOON)]

        assert receiver.url + "&other=1" in urls
        assert urls.count(receiver.url) == 4


class TestGone:
    def test_switches_the_endpoint_off_and_tells_its_owner(
        self,
        organization: Organization,
        owner: User,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        receiver.statuses = [410]
        happened(organization)
        deliver()

        off = WebhookEndpoint.objects.get()
        assert (off.disabled_at, only_delivery().state) == (NOON, "failed")
        assert OutgoingMail.objects.get().to_address == owner.email
        assert happened(organization) is None

    def test_from_an_address_that_a_call_named_ends_that_delivery_only(
        self,
        organization: Organization,
        receiver: Receiver,
    ) -> None:
        receiver.statuses = [410, 200]
        for _ in range(2):
            happened(organization, call_url=receiver.url)
            deliver()

        states = WebhookDelivery.objects.order_by("id").values_list("state", flat=True)
        assert list(states) == ["failed", "delivered"]


class TestSecrets:
    def test_are_not_in_the_database(self, endpoint: MadeEndpoint) -> None:
        assert endpoint.secret.startswith("whsec_")
        assert endpoint.secret not in WebhookSecret.objects.get().sealed
        assert secrets_in_force(endpoint.endpoint.id, at=NOON) == [endpoint.secret]

    def test_survive_a_new_key_of_the_server(self, endpoint: MadeEndpoint, settings: Any) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another"

        assert secrets_in_force(endpoint.endpoint.id, at=NOON) == [endpoint.secret]

    def test_both_sign_for_a_day_after_a_rotation(
        self, organization: Organization, endpoint: MadeEndpoint
    ) -> None:
        new = rotate_webhook_secret(
            endpoint_id=endpoint.endpoint.id,
            organization_id=organization.id,
            actor=SYSTEM,
            at=NOON,
        )

        during = secrets_in_force(endpoint.endpoint.id, at=NOON + timedelta(hours=23))
        after = secrets_in_force(endpoint.endpoint.id, at=NOON + timedelta(hours=24))
        assert (during, after) == ([new, endpoint.secret], [new])

    def test_either_is_accepted_by_the_receiver_during_a_rotation(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        from django.utils.timezone import now

        new = rotate_webhook_secret(
            endpoint_id=endpoint.endpoint.id,
            organization_id=organization.id,
            actor=SYSTEM,
            at=now(),
        )
        happened(organization)
        deliver_due_webhooks(clock=now)

        assert receiver.verified(new) == receiver.verified(endpoint.secret)

    def test_of_single_calls_are_one_per_organization(self, organization: Organization) -> None:
        first = signer_of_calls(organization_id=organization.id, at=NOON)

        assert signer_of_calls(organization_id=organization.id, at=NOON) == first
        assert len(secrets_in_force(first.id, at=NOON)) == 1


class TestEndpoints:
    def test_replay_sends_the_same_event_with_the_same_id(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        happened(organization)
        deliver()
        replay_delivery(
            delivery_id=only_delivery().id, organization_id=organization.id, actor=SYSTEM, at=NOON
        )
        deliver()

        (first, body), (second, again) = receiver.got
        assert (first["webhook-id"], body) == (second["webhook-id"], again)

    def test_replay_of_another_tenants_delivery_is_not_found(
        self, organization: Organization, endpoint: MadeEndpoint
    ) -> None:
        happened(organization)

        with pytest.raises(NotFound):
            replay_delivery(
                delivery_id=only_delivery().id, organization_id=uuid4(), actor=SYSTEM, at=NOON
            )

    def test_a_test_event_goes_to_one_endpoint(
        self,
        organization: Organization,
        endpoint: MadeEndpoint,
        receiver: Receiver,
    ) -> None:
        registered(organization, receiver.url + "&other=1")
        send_test_event(
            endpoint_id=endpoint.endpoint.id,
            organization_id=organization.id,
            actor=SYSTEM,
            at=NOON,
        )

        assert deliver() == 1
        assert json.loads(receiver.got[0][1])["type"] == "webhook.test"

    def test_are_bounded(self, organization: Organization) -> None:
        for number in range(MOST_ENDPOINTS):
            registered(organization, f"https://example.com/{number}")

        with pytest.raises(WebhookLimitReached):
            registered(organization, "https://example.com/more")

    def test_want_events_that_exist(self, organization: Organization) -> None:
        with pytest.raises(InvalidRequest, match=r"api_key\.revoked"):
            registered(organization, "https://example.com/", "generation.painted")

    def test_the_log_is_forgotten_after_thirty_days(
        self, organization: Organization, endpoint: MadeEndpoint
    ) -> None:
        happened(organization)

        kept = forget_old_events(at=NOON + timedelta(days=29))
        gone = forget_old_events(at=NOON + timedelta(days=31))

        assert (kept, gone, WebhookDelivery.objects.count()) == (0, 1, 0)


class TestApi:
    def call(self, key: CreatedKey, method: str, path: str, body: object = None) -> Any:
        return Client().generic(
            method,
            f"/v1/{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key.secret}"},
        )

    def test_an_endpoint_lives_from_making_to_removing(
        self,
        api_key: CreatedKey,
        receiver: Receiver,
    ) -> None:
        made = self.call(api_key, "POST", "webhooks", {"url": receiver.url, "events": [EVENT]})
        place = f"webhooks/{made.json()['id']}"
        self.call(api_key, "POST", f"{place}/test")
        rotated = self.call(api_key, "POST", f"{place}/rotate").json()["secret"]
        from django.utils.timezone import now

        deliver_due_webhooks(clock=now)
        log = self.call(api_key, "GET", f"{place}/deliveries").json()["data"]
        again = self.call(api_key, "POST", f"webhook-deliveries/{log[0]['id']}/replay")
        changed = self.call(api_key, "POST", place, {"enabled": False, "description": "Off"})
        listed = self.call(api_key, "GET", "webhooks").json()["data"]
        removed = self.call(api_key, "DELETE", place)

        assert made.status_code == 201
        assert made.json()["secret"].startswith("whsec_")
        assert receiver.verified(rotated) == receiver.verified(made.json()["secret"])
        assert (log[0]["status"], log[0]["attempts"][0]["status"]) == ("delivered", 204)
        assert again.json()["is_replay"] is True
        assert (changed.json()["enabled"], changed.json()["description"]) == (False, "Off")
        assert [("secret" in row, row["id"]) for row in listed] == [(False, made.json()["id"])]
        assert removed.status_code == 204
        assert self.call(api_key, "GET", place).status_code == 404

    def test_refuses_what_is_no_address(self, api_key: CreatedKey) -> None:
        answer = self.call(api_key, "POST", "webhooks", {"url": "ftp://example.com"})

        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "webhook_address_refused"

    def test_a_key_that_may_only_read_changes_nothing(self, organization: Organization) -> None:
        reader = create_api_key(
            project=organization.projects.get(),
            name="Reader",
            actor=SYSTEM,
            at=NOON,
            scopes=("organization:read",),
        )

        assert self.call(reader, "GET", "webhooks").status_code == 200
        assert (
            self.call(reader, "POST", "webhooks", {"url": "https://x.example"}).status_code == 403
        )
