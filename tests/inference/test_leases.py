"""Claiming: fair between tenants, one worker at a time, fenced."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections
from django.utils.timezone import now

from governance.models import Organization
from inference.models import Generation, TenantShare
from inference.operations.admissions import Submitter
from inference.operations.finishing import give_back
from inference.operations.leases import LEASE, LeaseLost, claim_next, extend
from inference.operations.sweeping import requeue_dead_leases
from tests.factories import NOON, SYSTEM, create_api_key
from tests.inference.conftest import WORKER, submitter_for

Submit = Callable[..., Generation]


@pytest.fixture
def neighbour(organizations: Callable[..., Organization], funded: Callable[..., None]) -> Submitter:
    """Another funded tenant."""
    other = organizations(name="Neighbour")
    funded(other)
    return submitter_for(
        create_api_key(project=other.projects.get(), name="key", actor=SYSTEM, at=NOON)
    )


@pytest.mark.django_db
class TestClaimNext:
    def test_takes_the_oldest_job_and_runs_it_under_a_lease(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        first, _second = submit(), submit()

        lease = claim_next(worker=WORKER, release_ids=releases, at=now())

        first.refresh_from_db()
        assert lease is not None
        assert lease.generation_id == first.id
        assert (first.state, first.attempts, first.lease_epoch) == ("running", 1, 1)

    def test_finds_nothing_in_an_empty_queue(self, releases: list[UUID]) -> None:
        assert claim_next(worker=WORKER, release_ids=releases, at=now()) is None

    def test_leaves_jobs_of_releases_that_this_worker_does_not_hold(self, submit: Submit) -> None:
        submit()

        assert claim_next(worker=WORKER, release_ids=[], at=now()) is None

    def test_a_light_tenant_waits_behind_one_job_of_a_heavy_one(
        self, submit: Submit, neighbour: Submitter, releases: list[UUID]
    ) -> None:
        for _ in range(5):
            submit()
        claim_next(worker=WORKER, release_ids=releases, at=now())
        light = submit(by=neighbour)

        lease = claim_next(worker=WORKER, release_ids=releases, at=now())

        assert lease is not None
        assert lease.generation_id == light.id

    def test_two_tenants_alternate(
        self, submit: Submit, neighbour: Submitter, releases: list[UUID]
    ) -> None:
        for _ in range(3):
            submit()
            submit(by=neighbour)

        order = []
        for _ in range(6):
            lease = claim_next(worker=WORKER, release_ids=releases, at=now())
            assert lease is not None
            order.append(lease.organization_id)

        assert all(first != second for first, second in zip(order[::2], order[1::2], strict=True))

    def test_an_idle_tenant_saves_up_nothing(
        self, submit: Submit, neighbour: Submitter, releases: list[UUID]
    ) -> None:
        for _ in range(4):
            submit()
        for _ in range(3):
            claim_next(worker=WORKER, release_ids=releases, at=now())
        submit(by=neighbour)
        claim_next(worker=WORKER, release_ids=releases, at=now())

        busy, idle = (
            TenantShare.objects.get(organization_id=tenant).virtual_gflop
            for tenant in (
                Generation.objects.earliest("id").organization_id,
                neighbour.organization_id,
            )
        )
        assert idle > busy


@pytest.mark.django_db
class TestLeases:
    def test_extending_a_lost_lease_says_so(self, submit: Submit, releases: list[UUID]) -> None:
        submit()
        lease = claim_next(worker=WORKER, release_ids=releases, at=now() - 2 * LEASE)
        assert lease is not None
        requeue_dead_leases(at=now())

        assert not extend(lease=lease, step=3, at=now())

    def test_a_dead_lease_goes_back_to_the_queue_and_the_zombie_is_fenced_off(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()
        zombie = claim_next(worker=WORKER, release_ids=releases, at=now() - 2 * LEASE)
        assert zombie is not None

        assert requeue_dead_leases(at=now()) == 1
        heir = claim_next(worker=WORKER, release_ids=releases, at=now())

        job.refresh_from_db()
        assert heir is not None
        assert (heir.epoch, heir.attempt) == (2, 2)
        with pytest.raises(LeaseLost):
            give_back(lease=zombie, reason="late", actor=WORKER, at=now())

    def test_a_living_lease_is_left_alone(self, submit: Submit, releases: list[UUID]) -> None:
        submit()
        claim_next(worker=WORKER, release_ids=releases, at=now())

        assert requeue_dead_leases(at=now() + LEASE - timedelta(seconds=5)) == 0


@pytest.mark.django_db(transaction=True)
class TestManyWorkers:
    def test_twenty_workers_get_twenty_different_jobs(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        jobs = {submit().id for _ in range(20)}

        def claim(_: int) -> UUID | None:
            try:
                for _attempt in range(20):
                    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
                    if lease is not None:
                        return lease.generation_id
                return None
            finally:
                connections.close_all()

        with ThreadPoolExecutor(20) as pool:
            claimed = list(pool.map(claim, range(20)))

        assert set(claimed) == jobs
