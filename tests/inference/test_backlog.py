"""How long a job will take: by the work before it and the engines' measured speed, or unknown."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils.timezone import now

from inference.models import EngineStatus, Generation
from inference.operations.leases import claim_next
from inference.queries.backlog import backlog_seconds, estimated_wait, waiting_facts
from tests.inference.conftest import WORKER

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]


def engine(speed: int, *, number: int = 0, seen_s_ago: int = 0) -> None:
    EngineStatus.objects.create(
        worker=f"host:1:{number}",
        state="ready",
        gflop_per_second=speed,
        seen_at=now() - timedelta(seconds=seen_s_ago),
    )


class TestEstimatedWait:
    def test_is_the_work_up_to_the_job_over_the_speed_of_all_engines(self, submit: Submit) -> None:
        first, second, _third = submit(), submit(), submit()
        engine(first.work_gflop // 4, number=0)
        engine(first.work_gflop // 4, number=1)

        assert estimated_wait(first.id, at=now()) == pytest.approx(2, abs=0.1)
        assert estimated_wait(second.id, at=now()) == pytest.approx(4, abs=0.1)
        assert backlog_seconds(at=now()) == pytest.approx(6, abs=0.1)

    def test_of_a_running_job_shrinks_with_its_steps(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()
        engine(job.work_gflop // 4, number=0)
        engine(job.work_gflop // 4, number=1)
        claim_next(worker=WORKER, release_ids=releases, at=now())

        before = estimated_wait(job.id, at=now())
        Generation.objects.filter(id=job.id).update(step=3)

        assert before == pytest.approx(4, abs=0.1)
        assert estimated_wait(job.id, at=now()) == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize(("speed", "seen_s_ago"), [(0, 0), (1000, 31)])
    def test_is_unknown_while_no_engine_lives_that_knows_its_speed(
        self, submit: Submit, speed: int, seen_s_ago: int
    ) -> None:
        job = submit()
        engine(speed, seen_s_ago=seen_s_ago)

        assert waiting_facts(job.id, job.state, at=now()) == {
            "queue_position": 0,
            "estimated_wait_s": None,
        }

    def test_is_not_told_of_a_job_that_has_ended(self, submit: Submit) -> None:
        assert waiting_facts(submit().id, "succeeded", at=now()) == {}
