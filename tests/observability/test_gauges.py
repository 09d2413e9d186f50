"""The figures themselves: what is counted, and since when."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from billing.queries.gauges import money_metrics
from governance.kernel.ids import first_uuid7, uuid7
from governance.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from governance.queries.gauges import work_metrics
from moderation.models import Decision
from moderation.queries.gauges import gate_metrics

pytestmark = pytest.mark.django_db


def values(metrics) -> dict[tuple[str, ...], float]:
    return {(metric.name, *metric.labels.values()): metric.value for metric in metrics}


def test_rows_since_a_moment_are_found_by_their_primary_key():
    before = now()

    made = uuid7()

    assert first_uuid7(before) <= made < first_uuid7(before + timedelta(seconds=60))


def test_the_gate_is_told_of_by_its_last_five_minutes(organization):
    at = now()
    for age, outcome in ((1, "allow"), (4, "block"), (6, "block")):
        Decision.objects.create(
            id=first_uuid7(at - timedelta(minutes=age)), organization_id=organization.id,
            job_id=uuid7(), stage="input", subject_kind="prompt", subject_sha256="a" * 64,
            policy_version="v", policy_hash="a" * 64, outcome=outcome, complete=True,
            actor_kind="api_key", actor_id="k", at=at,
        )  # fmt: skip

    told = values(gate_metrics(at))

    assert told["licet_gate_decisions_5m", "input", "allow"] == 1
    assert told["licet_gate_decisions_5m", "input", "block"] == 1
    assert told["licet_gate_decisions_5m", "output", "allow"] == 0


def test_a_delivery_is_late_only_when_it_is_due(organization):
    at = now()
    endpoint = WebhookEndpoint.objects.create(
        organization=organization, url="https://a.example/", created_at=at
    )
    event = WebhookEvent.objects.create(
        organization=organization, type="webhook.test", body="{}", created_at=at
    )
    for due in (at - timedelta(seconds=90), at + timedelta(hours=1)):
        WebhookDelivery.objects.create(
            event=event, endpoint=endpoint, url=endpoint.url, next_attempt_at=due
        )

    told = values(work_metrics(at))

    assert told[("licet_webhooks_pending",)] == 2
    assert told[("licet_webhooks_due",)] == 1
    assert told[("licet_webhooks_due_oldest_seconds",)] == 90


def test_an_installation_without_any_money_has_its_figures_at_nothing():
    told = values(money_metrics(now()))

    assert told[("licet_holds_open",)] == 0
    assert told[("licet_holds_open_microusd",)] == 0
    assert told[("licet_holds_oldest_seconds",)] == 0
    assert ("licet_ledger_compared_seconds",) not in told
