"""What a thread of the engine logs is about the jobs that it works on."""

import uuid

import pytest

pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from governance.kernel import log_context
from inference.engine.jobs import Job, work_on
from tests.observability.test_log_events import PROMPT, command

pytestmark = pytest.mark.engine


def test_the_engine_logs_under_the_ids_of_all_jobs_of_a_batch():
    first = Job(command(request_id="req_1", organization_id="o-1"), lambda *_: None)
    other = command(job_id=str(uuid.uuid4()), prompt="a red fox", request_id="req_2")
    second = Job(other, lambda *_: None)

    work_on([first, second])

    assert log_context.fields() == {
        "request_id": "req_1,req_2",
        "organization": "o-1",
        "generation": f"{first.command.job_id},{second.command.job_id}",
    }
    assert log_context.concealed() == (PROMPT, "a red fox")
