"""What is taken back: work on a revoked model, and delivered images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.db import connections
from django.utils.timezone import now

from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM
from governance.models import ModelRelease, Organization, ReleaseStatus
from governance.operations.authorization import LicenceRefused, ReleaseRevoked
from governance.operations.revocation import revoke_release
from governance.operations.termination import engage_kill_switch, record_breach
from inference.models import Artifact, Generation
from inference.operations.deleting import erase_image
from inference.operations.leases import claim_next
from inference.operations.revoking import void_stopped, void_unstartable
from inference.operations.running import run_attempt
from tests.inference.conftest import WORKER, SketchEngine

Submit = Callable[..., Generation]
START = 10_000_000


def revoke(release: ModelRelease) -> int:
    return revoke_release(release_id=release.id, reason="test", actor=SYSTEM, at=now()).voided


@pytest.mark.django_db
class TestRevokedRelease:
    def test_voids_its_queued_jobs_and_gives_their_money_back(
        self, submit: Submit, release: ModelRelease, organization: Organization
    ) -> None:
        jobs = [submit(), submit()]

        voided = revoke(release)

        assert voided == 2
        for job in jobs:
            job.refresh_from_db()
            assert (job.state, job.error_code) == ("failed", "model_revoked")
        assert balance_of(organization.id).available == START

    def test_starts_no_job(self, submit: Submit, release: ModelRelease) -> None:
        submit()
        revoke(release)

        with pytest.raises(ReleaseRevoked):
            claim_next(worker=WORKER, release_ids=[release.id], at=now())

    def test_stops_a_running_job_within_a_step_and_charges_nothing(
        self, submit: Submit, release: ModelRelease, organization: Organization
    ) -> None:
        submit()
        lease = claim_next(worker=WORKER, release_ids=[release.id], at=now())
        assert lease is not None
        revoke(release)

        ended = run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)

        assert ended == "cancelled"
        assert balance_of(organization.id).available == START

    def test_superseded_weights_leave_no_job_waiting_for_ever(
        self, submit: Submit, release: ModelRelease
    ) -> None:
        submit()
        ModelRelease.objects.filter(id=release.id).update(status=ReleaseStatus.SUPERSEDED)

        assert void_unstartable(at=now()) == 1
        assert void_unstartable(at=now()) == 0


@pytest.mark.django_db
def test_the_kill_switch_leaves_jobs_queued_and_starts_none(
    submit: Submit, releases: list[UUID]
) -> None:
    job = submit()
    engage_kill_switch(reason="test", actor=SYSTEM, at=now())

    with pytest.raises(LicenceRefused):
        claim_next(worker=WORKER, release_ids=releases, at=now())

    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.django_db(transaction=True)
def test_no_job_survives_in_the_queue_of_a_model_revoked_while_a_hundred_are_submitted(
    submit: Submit, release: ModelRelease, organization: Organization
) -> None:
    def one(number: int) -> str:
        try:
            if number == 30:
                revoke(release)
            else:
                submit(model=release.slug)
        except ReleaseRevoked:
            return "refused"
        finally:
            connections.close_all()
        return "done"

    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(one, range(100)))

    assert "refused" in said
    assert not Generation.objects.filter(state__in=("queued", "running")).exists()
    assert balance_of(organization.id).held == 0


class TestEraseImage:
    @pytest.fixture
    def delivered(self, submit: Submit, releases: list[UUID], transactional_db: None) -> Generation:
        job = submit()
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)
        return job

    def test_takes_the_file_away_and_keeps_the_evidence(self, delivered: Generation) -> None:
        blob = Artifact.objects.get().blob

        erase_image(delivered.id, 0, "removal", now())

        row = Artifact.objects.get()
        assert row.deleted_at is not None
        assert row.receipt["signature"]
        assert not default_storage.exists(blob)

    def test_may_be_asked_again(self, delivered: Generation) -> None:
        erase_image(delivered.id, 0, "removal", now())
        first = Artifact.objects.get().deleted_at

        erase_image(delivered.id, 0, "removal", now())

        assert Artifact.objects.get().deleted_at == first


@pytest.mark.django_db
class TestStoppedOrganization:
    def breach(self, organization: Organization) -> None:
        record_breach(
            organization_id=organization.id,
            clause="4.1(c)",
            description="test",
            discovered_at=now(),
            actor=SYSTEM,
            at=now(),
        )

    def test_no_job_starts_after_the_standing_has_changed(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        submit()
        self.breach(organization)

        assert claim_next(worker=WORKER, release_ids=releases, at=now()) is None

    def test_its_queued_jobs_are_voided_with_the_rule_and_the_money_returned(
        self, submit: Submit, organization: Organization
    ) -> None:
        job = submit()
        assert void_stopped(at=now()) == 0
        self.breach(organization)

        assert void_stopped(at=now()) == 1

        job.refresh_from_db()
        assert (job.state, job.error_code) == ("failed", "licence_refused")
        assert job.error_facts["rule"] == "breach"
        assert balance_of(organization.id).available == START

    def test_a_licence_that_has_ended_stops_running_jobs_as_well(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        self.breach(organization)
        void_stopped(at=now())

        assert run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER) == "cancelled"
        job.refresh_from_db()
        assert job.state == "cancelled"

    def test_the_kill_switch_voids_nothing(self, submit: Submit) -> None:
        job = submit()
        engage_kill_switch(reason="test", actor=SYSTEM, at=now())

        assert void_stopped(at=now()) == 0
        job.refresh_from_db()
        assert job.state == "queued"
