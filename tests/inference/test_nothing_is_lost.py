"""Engines, supervisors and doorbells that fail at random: every job ends once, charged once."""

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.db import connections
from django.utils.timezone import now

from billing.queries.balances import balance_of
from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.models import Organization
from inference import tasks
from inference.engine.attempts import Engine, EngineLost, Outcome
from inference.engine.protocol import GenerateCommand
from inference.models import Artifact, Generation
from inference.operations.admissions import Submitter
from inference.operations.leases import MAX_ATTEMPTS, claim_next
from inference.operations.running import run_attempt
from inference.operations.sweeping import sweep
from tests.factories import NOON, SYSTEM, create_api_key
from tests.inference.conftest import WORKER, SketchEngine, submitter_for

Submit = Callable[..., Generation]


class Mortal(SketchEngine):
    """A sketching engine that ends at random, before or after it has begun, and sometimes after the
    images were made: then its supervisor dies with it and only the lease tells.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def generate(self, command: GenerateCommand, **calls: object) -> Outcome:  # type: ignore[override]
        fate = self.chance.random()
        if fate < 0.15:
            raise EngineLost("killed before it began", begun=False)
        if fate < 0.3:
            raise EngineLost("killed while it drew")
        outcome = super().generate(command, **calls)  # type: ignore[arg-type]
        if fate < 0.45:
            raise SystemExit("kill -9 of the supervisor")
        return outcome


def serve_until_empty(engine: Engine, worker: Actor, releases: list[UUID]) -> None:
    """A worker that claims and runs; when it is killed in between, its lease is left behind."""
    try:
        while lease := claim_next(worker=worker, release_ids=releases, at=now()):
            try:
                run_attempt(lease=lease, engine=engine, actor=worker)
            except SystemExit:
                continue
    finally:
        connections.close_all()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.django_db(transaction=True)
def test_three_hundred_jobs_survive_kills_of_engines_supervisors_and_the_broker(
    submit: Submit, releases: list[UUID], organization: Organization
) -> None:
    jobs = [submit(width=64, height=64, seed=n) for n in range(300)]
    chance = random.Random(11)
    workers = [Actor(kind="worker", id=f"host:{n}:0", label="engine") for n in range(2)]

    for _ in range(60):
        threads = [
            threading.Thread(
                target=serve_until_empty,
                args=(Mortal(random.Random(chance.random())), each, releases),
            )
            for each in workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # The leases of the killed run out; the sweeper, not the broker, finds their jobs.
        sweep(at=now() + timedelta(minutes=5))
        if not Generation.objects.filter(state__in=("queued", "running")).exists():
            break

    ended = list(Generation.objects.filter(id__in=[job.id for job in jobs]))
    delivered = [job for job in ended if job.state == "succeeded"]
    failed = [job for job in ended if job.state == "failed"]
    assert len(delivered) + len(failed) == 300
    assert {job.error_code for job in failed} <= {"engine_failed"}
    assert Artifact.objects.count() == len(delivered)
    assert all(job.charged_microusd == job.quoted_microusd for job in delivered)
    assert all(job.charged_microusd == 0 for job in failed)
    balance = balance_of(organization.id)
    assert balance.held == 0
    assert balance.posted == 10_000_000 - sum(job.charged_microusd for job in delivered)


@pytest.mark.django_db
class TestInnocentJobs:
    def test_a_job_that_was_not_begun_loses_no_attempt(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()

        class DiesFirst(SketchEngine):
            def generate(self, command: GenerateCommand, **_: object) -> Outcome:  # type: ignore[override]
                raise EngineLost("killed by its neighbour's job", begun=False)

        for _ in range(5):
            lease = claim_next(worker=WORKER, release_ids=releases, at=now())
            assert lease is not None
            assert not lease.is_retry
            run_attempt(lease=lease, engine=DiesFirst(), actor=WORKER)

        job.refresh_from_db()
        assert (job.state, job.attempts) == ("queued", 0)

    def test_a_job_that_ended_an_engine_is_drawn_alone_and_given_up_after_three(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()
        alone = []

        class Dies(SketchEngine):
            def generate(self, command: GenerateCommand, **_: object) -> Outcome:  # type: ignore[override]
                alone.append(command.alone)
                raise EngineLost("the engine process ended (exit status -9)")

        while lease := claim_next(worker=WORKER, release_ids=releases, at=now()):
            run_attempt(lease=lease, engine=Dies(), actor=WORKER)

        job.refresh_from_db()
        assert alone == [False, True, True]
        assert (job.state, job.error_code, job.charged_microusd) == ("failed", "engine_failed", 0)

    def test_a_job_whose_images_cannot_be_stored_waits_and_is_delivered_when_they_can(
        self, submit: Submit, releases: list[UUID], settings: LazySettings, tmp_path: Path
    ) -> None:
        job = submit()
        (tmp_path / "no-folder").write_text("")
        roomy = settings.STORAGES
        full = {**roomy["default"], "OPTIONS": {"location": str(tmp_path / "no-folder")}}
        settings.STORAGES = {**roomy, "default": full}

        ended = []
        for _ in range(MAX_ATTEMPTS + 1):
            lease = claim_next(worker=WORKER, release_ids=releases, at=now())
            assert lease is not None
            ended.append(run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER))
        settings.STORAGES = roomy
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)

        job.refresh_from_db()
        assert ended == ["unstored"] * (MAX_ATTEMPTS + 1)
        assert (job.state, job.attempts) == ("succeeded", 1)


@pytest.mark.django_db
class TestFairness:
    def test_a_light_tenant_waits_at_most_two_jobs_behind_a_thousand_of_another(
        self,
        submit: Submit,
        releases: list[UUID],
        organizations: Callable[..., Organization],
        funded: Callable[..., None],
    ) -> None:
        heavy = submit()
        rows = []
        for _ in range(999):
            copied = Generation.objects.get(id=heavy.id)
            copied.id, copied.hold_id = uuid7(), None
            rows.append(copied)
        Generation.objects.bulk_create(rows)
        for _ in range(3):  # one drawn, one prepared, one judged
            claim_next(worker=WORKER, release_ids=releases, at=now())
        light = submit(by=light_submitter(organizations, funded))

        waited = 0
        while lease := claim_next(worker=WORKER, release_ids=releases, at=now()):
            if lease.generation_id == light.id:
                break
            waited += 1

        assert waited <= 2


def light_submitter(
    organizations: Callable[..., Organization], funded: Callable[..., None]
) -> Submitter:
    other = organizations(name="Light")
    funded(other)
    return submitter_for(
        create_api_key(project=other.projects.get(), name="key", actor=SYSTEM, at=NOON)
    )


@pytest.mark.django_db
class TestDoorbells:
    def test_one_that_is_rung_twice_or_never_changes_no_job(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()

        for _ in range(2):
            tasks.doorbell(str(job.id))
        tasks.doorbell(str(uuid7()))
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)
        tasks.doorbell(str(job.id))

        job.refresh_from_db()
        assert (job.state, job.attempts) == ("succeeded", 1)
        assert claim_next(worker=WORKER, release_ids=releases, at=now()) is None
