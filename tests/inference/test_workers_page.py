"""The operator's page of the engines."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.models import User
from inference.models import EngineStatus, Generation
from inference.operations.engines import count_job, report_engine
from inference.operations.leases import claim_next
from inference.queries.engines import is_served
from inference.queries.workers import backlog_by_release, workers
from tests.inference.conftest import WORKER

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]
SLUG = "krea-2-tiny-turbo"


@pytest.fixture
def engine() -> EngineStatus:
    report_engine(
        worker=WORKER.id, state="ready", release_slug=SLUG, device="CPU, 2 threads", at=now()
    )
    count_job(worker=WORKER.id, work_gflop=1000, seconds=2.0)
    return EngineStatus.objects.get(worker=WORKER.id)


def sign_in(client: Client, *, is_staff: bool) -> None:
    client.force_login(User.objects.create_user("op@example.com", name="Olu", is_staff=is_staff))


class TestWorkers:
    def test_show_the_jobs_under_way_with_their_step(
        self, engine: EngineStatus, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()
        claim_next(worker=WORKER, release_ids=releases, at=now())

        (worker,) = workers(at=now())

        assert [under_way.id for under_way in worker.jobs] == [job.id]
        assert (worker.state, worker.alive) == ("ready", True)

    def test_that_have_not_reported_for_a_minute_are_silent(self, engine: EngineStatus) -> None:
        (worker,) = workers(at=now() + timedelta(minutes=2))

        assert (worker.state, worker.alive) == ("silent", False)

    def test_backlog_is_queued_work_over_their_speed(
        self, engine: EngineStatus, submit: Submit
    ) -> None:
        job = submit()

        (waiting,) = backlog_by_release(at=now())

        assert waiting.seconds == pytest.approx(job.work_gflop / 500)

    def test_a_model_that_no_living_engine_holds_is_not_served(self, engine: EngineStatus) -> None:
        assert is_served(SLUG, at=now())
        assert not is_served("krea-2-tiny-raw", at=now())
        assert is_served("krea-2-tiny-raw", at=now() + timedelta(minutes=2))


class TestWorkersPage:
    def test_shows_engines_backlog_and_failures_to_the_operator(
        self, client: Client, engine: EngineStatus, submit: Submit
    ) -> None:
        submit()
        sign_in(client, is_staff=True)

        page = client.get("/operator/engines/")

        text = page.content.decode()
        assert page.status_code == 200
        assert "1 engine at work" in text
        assert "CPU, 2 threads" in text
        assert SLUG in text

    def test_is_not_there_for_anybody_else(self, client: Client) -> None:
        sign_in(client, is_staff=False)

        assert client.get("/operator/engines/").status_code == 404
