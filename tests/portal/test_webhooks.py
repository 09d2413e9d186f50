"""Webhooks through the pages."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.models import Organization, User, WebhookDelivery, WebhookEndpoint
from governance.operations.webhook_delivery import deliver_due_webhooks
from governance.operations.webhook_endpoints import create_webhook_endpoint
from tests.governance.receivers import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def this_machine_is_opened(settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = (ip_network("127.0.0.0/8"),)


def test_an_endpoint_is_added_tested_rotated_and_removed(
    reader: Client,
    home: str,
    receiver: Receiver,
) -> None:
    made = reader.post(f"{home}webhooks/new/", {"url": receiver.url, "description": "Shop"})
    place = f"{home}webhooks/{WebhookEndpoint.objects.get().id}/"
    reader.post(f"{place}test/")
    deliver_due_webhooks(clock=now)
    log = reader.get(place).content.decode()
    rotated = reader.post(f"{place}secret/")
    reader.post(f"{home}webhook-deliveries/{WebhookDelivery.objects.get().id}/replay/")
    deliver_due_webhooks(clock=now)
    listed = reader.get(f"{home}webhooks/").content.decode()
    reader.post(f"{place}remove/")

    assert made.status_code == 201
    assert receiver.verified(rotated.context["secret"]) == receiver.verified(made.context["secret"])
    assert "webhook.test" in log
    assert "Delivered" in log
    assert "Shop" in listed
    assert len(receiver.got) == 2
    assert not WebhookEndpoint.objects.exists()


def test_an_address_that_is_none_is_told_beside_the_field(reader: Client, home: str) -> None:
    answer = reader.post(f"{home}webhooks/new/", {"url": "https://user:word@example.com"})

    assert b"Put no password into the address" in answer.content
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_that_is_off_is_switched_on_again(
    reader: Client, home: str, organization: Organization
) -> None:
    made = create_webhook_endpoint(
        organization_id=organization.id,
        url="https://example.com/",
        events=(),
        description="",
        actor=SYSTEM,
        at=now(),
    )
    place = f"{home}webhooks/{made.endpoint.id}/"
    reader.post(f"{place}disable/")
    off = reader.get(place).content.decode()
    reader.post(f"{place}enable/")

    assert "Nothing is sent" in off
    assert WebhookEndpoint.objects.get().disabled_at is None


def test_another_tenants_endpoint_is_not_found(reader: Client, home: str, stranger: User) -> None:
    theirs = create_webhook_endpoint(
        organization_id=stranger.memberships.get().organization_id,
        url="https://example.com/",
        events=(),
        description="",
        actor=SYSTEM,
        at=now(),
    )
    place = f"{home}webhooks/{theirs.endpoint.id}/"

    found = {
        reader.get(place).status_code,
        reader.post(f"{place}secret/").status_code,
        reader.post(f"{place}remove/").status_code,
    }

    assert found == {404}
