"""The API of decisions, appeals and reports."""

import pytest
from django.utils.timezone import now

from governance.kernel.ids import uuid7
from moderation.models import Appeal, Removal, UserReport
from moderation.tasks import erase_expired_evidence, warn_of_overdue_removals
from tests.moderation.conftest import decision

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client, api_key):
    """Calls the API with the tenant's key."""

    def call(method, path, body=None):
        return getattr(client, method)(
            path,
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {api_key.secret}"},
        )

    return call


def test_a_tenant_lists_and_reads_its_own_decisions(ask, organization):
    own = decision(organization_id=organization.id, reason="It shows a weapon.", at=now())
    decision(organization_id=uuid7(), at=now())

    listed = ask("get", "/v1/moderation/decisions").json()["data"]

    assert [each["id"] for each in listed] == [str(own.id)]
    read = ask("get", f"/v1/moderation/decisions/{own.id}").json()
    assert (read["item"], read["reason"]) == ("7", "It shows a weapon.")


def test_an_appeal_is_filed_by_the_api(ask, organization):
    own = decision(organization_id=organization.id, at=now())

    filed = ask("post", f"/v1/moderation/decisions/{own.id}/appeal", {"statement": "A toy."})

    assert (filed.status_code, filed.json()["appeal"]) == (201, "open")
    assert Appeal.objects.get().statement == "A toy."


def test_another_tenants_decision_is_404(ask):
    other = decision(organization_id=uuid7(), at=now())

    assert ask("get", f"/v1/moderation/decisions/{other.id}").status_code == 404
    path = f"/v1/moderation/decisions/{other.id}/appeal"
    assert ask("post", path, {"statement": "x"}).status_code == 404


def test_a_delivered_image_is_reported_by_the_api(ask, organization):
    own = decision(organization_id=organization.id, stage="output", outcome="allow", at=now())
    body = {
        "generation": str(own.job_id),
        "sha256": "a" * 64,
        "item": "2",
        "statement": "That is me.",
    }

    filed = ask("post", "/v1/moderation/reports", body)

    assert filed.status_code == 201
    assert UserReport.objects.get().item == "2"
    assert Removal.objects.get().state == "open"


def test_a_malformed_report_names_its_field(ask):
    refused = ask("post", "/v1/moderation/reports", {"item": "12"})

    assert refused.status_code == 400
    assert refused.json()["error"]["param"]


def test_without_a_key_nothing_is_said(client):
    assert client.get("/v1/moderation/decisions").status_code == 401


def test_the_tasks_may_come_at_any_time():
    erase_expired_evidence()
    warn_of_overdue_removals()
