"""The end of a job: delivered and charged, or neither."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.test import override_settings
from django.utils.timezone import now

from billing.queries.balances import balance_of
from governance.models import AuditEntry, Organization
from inference.models import Artifact, Generation
from inference.operations.finishing import NotCancellable, cancel_generation
from inference.operations.leases import LEASE, Lease, claim_next
from inference.operations.running import run_attempt
from inference.operations.storage import read_image
from inference.operations.sweeping import requeue_dead_leases
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]
START = 10_000_000


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> object:
    """A blob store of the test's own."""
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={"default": storage, "staticfiles": static}):
        yield tmp_path


def lease_of(releases: list[UUID]) -> Lease:
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    assert lease is not None
    return lease


class TestRunAttempt:
    def test_delivers_one_image_and_charges_its_price_once(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()

        ended = run_attempt(lease=lease_of(releases), engine=SketchEngine(), actor=WORKER)

        job.refresh_from_db()
        balance = balance_of(organization.id)
        assert ended == "succeeded"
        assert (job.state, job.charged_microusd) == ("succeeded", job.quoted_microusd)
        assert (balance.posted, balance.held) == (START - job.quoted_microusd, 0)
        assert read_image(Artifact.objects.get()).startswith(b"\x89PNG")

    def test_leaves_an_audit_entry_for_each_step(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job = submit()

        run_attempt(lease=lease_of(releases), engine=SketchEngine(), actor=WORKER)

        entries = AuditEntry.objects.filter(subject_id=str(job.id)).order_by("id")
        assert [entry.act for entry in entries] == [
            "generation.submitted",
            "generation.claimed",
            "generation.succeeded",
        ]

    def test_charges_only_the_images_that_were_delivered(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit(images=4)

        run_attempt(lease=lease_of(releases), engine=SketchEngine(refuses=(1, 3)), actor=WORKER)

        job.refresh_from_db()
        assert job.charged_microusd == job.quoted_microusd // 2
        assert balance_of(organization.id).held == 0
        assert [artifact.index for artifact in job.artifacts.order_by("index")] == [0, 2]
        assert [item["index"] for item in job.error_facts["withheld"]] == [1, 3]

    def test_a_job_whose_every_image_is_blocked_costs_nothing(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()

        run_attempt(lease=lease_of(releases), engine=SketchEngine(refuses=(0,)), actor=WORKER)

        job.refresh_from_db()
        assert (job.state, job.charged_microusd) == ("blocked", 0)
        assert balance_of(organization.id).available == START
        assert not Artifact.objects.exists()

    def test_a_killed_engine_puts_the_job_back_and_the_next_one_charges_once(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()
        engine = SketchEngine(dies_at=2)

        first = run_attempt(lease=lease_of(releases), engine=engine, actor=WORKER)
        second = run_attempt(lease=lease_of(releases), engine=engine, actor=WORKER)

        job.refresh_from_db()
        assert (first, second) == ("requeued", "succeeded")
        assert job.attempts == 2
        assert balance_of(organization.id).posted == START - job.quoted_microusd

    def test_a_job_that_kills_three_engines_fails_and_costs_nothing(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()

        for _ in range(3):
            run_attempt(lease=lease_of(releases), engine=SketchEngine(dies_at=1), actor=WORKER)

        job.refresh_from_db()
        assert (job.state, job.error_code) == ("failed", "engine_failed")
        assert balance_of(organization.id).available == START

    def test_a_zombie_delivers_nothing_and_charges_nothing(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        submit()
        zombie = claim_next(worker=WORKER, release_ids=releases, at=now() - 2 * LEASE)
        assert zombie is not None
        requeue_dead_leases(at=now())
        heir = lease_of(releases)

        late = run_attempt(lease=zombie, engine=SketchEngine(), actor=WORKER)

        assert late in {"lost", "cancelled"}
        assert not Artifact.objects.exists()
        assert run_attempt(lease=heir, engine=SketchEngine(), actor=WORKER) == "succeeded"
        job = Generation.objects.get()
        assert balance_of(organization.id).posted == START - job.quoted_microusd


class TestCancelGeneration:
    def test_a_queued_job_ends_at_once_and_costs_nothing(
        self, submit: Submit, organization: Organization
    ) -> None:
        job = submit()

        cancel_generation(
            organization_id=organization.id, generation_id=job.id, actor=WORKER, at=now()
        )

        job.refresh_from_db()
        assert job.state == "cancelled"
        assert balance_of(organization.id).available == START

    def test_a_running_job_stops_and_costs_nothing(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()
        lease = lease_of(releases)
        cancel_generation(
            organization_id=organization.id, generation_id=job.id, actor=WORKER, at=now()
        )

        ended = run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)

        job.refresh_from_db()
        assert (ended, job.state) == ("cancelled", "cancelled")
        assert balance_of(organization.id).available == START

    def test_a_delivered_job_cannot_be_cancelled(
        self, submit: Submit, releases: list[UUID], organization: Organization
    ) -> None:
        job = submit()
        run_attempt(lease=lease_of(releases), engine=SketchEngine(), actor=WORKER)

        with pytest.raises(NotCancellable):
            cancel_generation(
                organization_id=organization.id, generation_id=job.id, actor=WORKER, at=now()
            )


class TestTheDatabase:
    """Round the models."""

    def test_refuses_a_charge_for_a_job_that_did_not_succeed(self, submit: Submit) -> None:
        job = submit()

        with pytest.raises(IntegrityError, match="charged_only_when_delivered"):
            with transaction.atomic():
                Generation.objects.filter(id=job.id).update(charged_microusd=1)

    def test_refuses_an_image_without_a_receipt(self, submit: Submit) -> None:
        job = submit()

        with pytest.raises(IntegrityError, match="artifact_has_a_receipt"):
            with transaction.atomic():
                Artifact.objects.create(
                    generation=job,
                    organization_id=job.organization_id,
                    index=0,
                    attempt=1,
                    sha256="0" * 64,
                    size_bytes=1,
                    media_type="image/png",
                    width=64,
                    height=64,
                    blob="x",
                    receipt={},
                    created_at=now(),
                )

    def test_refuses_a_final_job_that_never_ended(self, submit: Submit) -> None:
        job = submit()

        with pytest.raises(IntegrityError, match="finished_when_final"):
            with transaction.atomic():
                Generation.objects.filter(id=job.id).update(state="failed")
