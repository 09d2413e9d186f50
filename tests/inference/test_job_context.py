"""A job's log events carry the id of the request that asked for it, as far as the engine."""

import pytest
from django.utils.timezone import now

from inference.engine.client import EngineLost
from inference.engine.protocol import GenerateCommand
from inference.models import Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from tests.inference.conftest import WORKER
from tests.observability.test_log_events import PROMPT


class DyingEngine:
    """Keeps the order that it got and ends."""

    order: GenerateCommand

    def generate(self, order, **_):
        self.order = order
        raise EngineLost(f"it choked on {order.prompt}")


@pytest.mark.django_db
def test_an_attempt_logs_under_the_requests_id_and_hands_it_to_the_engine(
    submit, releases, json_lines
):
    job = submit(prompt=PROMPT)
    Generation.objects.filter(id=job.id).update(request_id="req_12345678")
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    engine = DyingEngine()

    run_attempt(lease=lease, engine=engine, actor=WORKER)

    warning = next(each for each in json_lines.events if each["level"] == "WARNING")
    assert warning["request_id"] == engine.order.request_id == "req_12345678"
    assert warning["generation"] == str(job.id)
    assert warning["organization"] == engine.order.organization_id
    assert "violet" not in json_lines.text
