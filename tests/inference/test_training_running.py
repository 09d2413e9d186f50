"""Running a training: fenced, resumed, past the gate, charged on success only."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils.timezone import now

from billing.operations.resolution import evidence_gaps, job_states
from billing.queries.balances import balance_of
from billing.queries.invariants import ledger_findings
from governance.kernel.errors import DomainError
from governance.models import AuditEntry, ModelRelease
from governance.operations.revocation import revoke_release
from inference.engine.attempts import EngineLost
from inference.engine.training_protocol import SampleRefused, TrainingRefused
from inference.models import Adapter, TrainingJob, TrainingSample
from inference.operations.adapters import AdapterChoice, chosen_adapters
from inference.operations.admissions import Submitter
from inference.operations.training_finishing import cancel_training, register_trained
from inference.operations.training_leases import TrainingLease, claim_training
from inference.operations.training_running import command_of, run_training
from inference.operations.training_sweeping import sweep_trainings
from inference.queries.training import losses_of
from inference.trainers import Courtesy
from moderation.models import Decision
from moderation.operations.release import ReceiptInvalid
from tests.factories import SYSTEM
from tests.inference.training_fixtures import TRAINER, SketchTrainer

pytestmark = pytest.mark.django_db
Order = Callable[..., TrainingJob]


def claim(raw_release: ModelRelease) -> TrainingLease:
    lease = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())
    assert lease is not None
    return lease


@pytest.fixture
def run(order: Order, raw_release: ModelRelease) -> Callable[..., str]:
    """Claims the next training and runs one attempt."""

    def make(trainer: SketchTrainer | None = None) -> str:
        return run_training(
            lease=claim(raw_release), trainer=trainer or SketchTrainer(), actor=TRAINER
        )

    return make


Run = Callable[..., str]


class TestSuccess:
    def test_registers_a_private_adapter_with_its_lineage(
        self, order: Order, run: Run, raw_release: ModelRelease
    ) -> None:
        job = order()

        assert run() == "succeeded"

        job.refresh_from_db()
        adapter = Adapter.objects.get()
        assert job.adapter == adapter
        assert (adapter.source, adapter.name, adapter.trigger) == ("training", "Blue ramps", "zorp")
        assert adapter.release.parent == raw_release
        assert not adapter.shared_with_group
        entry = AuditEntry.objects.get(act="training.succeeded")
        assert entry.facts["dataset_sha256"] == job.dataset_sha256
        assert entry.facts["adapter_sha256"] == adapter.sha256

    def test_may_be_used_at_once(self, order: Order, run: Run, submitter: Submitter) -> None:
        order()
        run()

        chosen = chosen_adapters(
            [AdapterChoice(Adapter.objects.get().id)], organization_id=submitter.organization_id
        )

        assert chosen[0]["sha256"] == Adapter.objects.get().sha256

    def test_charges_the_steps_that_were_run_and_the_books_agree(
        self, order: Order, run: Run, submitter: Submitter
    ) -> None:
        before = balance_of(submitter.organization_id).available
        job = order()

        run()

        job.refresh_from_db()
        assert job.charged_microusd == 8 * 32
        assert balance_of(submitter.organization_id).available == before - 8 * 32
        assert evidence_gaps([job.id]) == {"gate decision": []}
        assert [each.name for each in ledger_findings(job_states) if each.violations] == []

    def test_keeps_losses_and_samples_with_receipts(self, order: Order, run: Run) -> None:
        job = order()

        run()

        samples = TrainingSample.objects.filter(job=job).order_by("step")
        assert [point.step for point in losses_of(job)] == list(range(1, 9))
        assert [each.step for each in samples] == [2, 4, 6, 8]
        assert all(default_storage.exists(each.blob) for each in samples)
        assert Decision.objects.filter(job_id=job.id, stage="output").count() == 4

    def test_leaves_no_checkpoint_behind(
        self, order: Order, run: Run, django_capture_on_commit_callbacks: object
    ) -> None:
        job = order()
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
            run()

        folder = f"{job.organization_id}/training/{job.id}"
        assert default_storage.listdir(folder)[1] == []


class TestAnAttemptThatEnds:
    def test_goes_on_from_the_last_checkpoint(self, order: Order, run: Run) -> None:
        job = order()

        first = run(SketchTrainer(dies_after=5, dies_with=EngineLost("killed")))
        second = SketchTrainer()
        ended = run(second)

        assert (first, ended) == ("requeued", "succeeded")
        assert second.commands[0].checkpoint is not None
        assert second.commands[0].checkpoint.step == 4
        job.refresh_from_db()
        assert (job.charged_microusd, job.lease_epoch) == (8 * 32, 2)

    def test_without_progress_three_times_fails_and_is_free(
        self, order: Order, run: Run, submitter: Submitter
    ) -> None:
        job = order()
        dying = SketchTrainer(dies_after=1, dies_with=EngineLost("killed"))

        assert [run(dying) for _ in range(3)] == ["requeued", "requeued", "failed"]

        job.refresh_from_db()
        assert (job.error_code, job.charged_microusd) == ("engine_failed", 0)
        assert balance_of(submitter.organization_id).held == 0

    def test_a_dead_lease_is_swept_and_its_zombie_is_fenced_off(
        self, order: Order, raw_release: ModelRelease
    ) -> None:
        job = order()
        zombie = claim(raw_release)
        sweep_trainings(at=now() + timedelta(minutes=1))
        heir = claim(raw_release)
        trained = SketchTrainer().stored(command_of(job, zombie), 8, "a.safetensors", b"")

        assert heir.epoch == zombie.epoch + 1
        assert run_training(lease=zombie, trainer=SketchTrainer(), actor=TRAINER) == "lost"
        with pytest.raises(DomainError):
            register_trained(lease=zombie, trained=trained, actor=TRAINER, at=now())
        assert not Adapter.objects.exists()

    def test_one_that_cannot_be_done_fails_with_its_reason(self, order: Order, run: Run) -> None:
        job = order()

        run(SketchTrainer(refused=TrainingRefused("training_diverged", "NaN")))

        job.refresh_from_db()
        assert (job.state, job.error_code, job.charged_microusd) == (
            "failed", "training_diverged", 0,
        )  # fmt: skip

    def test_one_that_changes_nothing_is_not_charged(self, order: Order, run: Run) -> None:
        job = order()

        run(SketchTrainer(size=0.0))

        job.refresh_from_db()
        assert (job.state, job.error_code) == ("failed", "adapter_changes_nothing")
        assert not Adapter.objects.exists()

    def test_cancelled_within_a_step_it_is_free(
        self, order: Order, raw_release: ModelRelease, submitter: Submitter
    ) -> None:
        job = order()
        lease = claim(raw_release)
        cancel_training(organization_id=job.organization_id, job_id=job.id, actor=SYSTEM, at=now())
        trainer = SketchTrainer()

        assert run_training(lease=lease, trainer=trainer, actor=TRAINER) == "cancelled"
        job.refresh_from_db()
        assert (job.step, job.charged_microusd) == (0, 0)

    def test_past_its_deadline_it_fails_free_of_charge(self, order: Order, run: Run) -> None:
        job = order()
        TrainingJob.objects.filter(id=job.id).update(deadline_at=now() - timedelta(seconds=1))

        assert run() == "failed"

        job.refresh_from_db()
        assert job.error_code == "deadline_exceeded"


class TestTheGate:
    def test_a_sample_without_a_fitting_receipt_is_not_stored(self, order: Order, run: Run) -> None:
        job = order()

        class Forger(SketchTrainer):
            def sample(self, command, step):  # type: ignore[no-untyped-def]
                genuine = super().sample(command, step)
                return type(genuine)(**{**genuine.__dict__, "data": genuine.data + b"x"})

        with pytest.raises(ReceiptInvalid):
            run(Forger())

        assert not TrainingSample.objects.filter(job=job).exists()

    def test_an_adapter_whose_last_sample_is_withheld_is_not_registered(
        self, order: Order, run: Run
    ) -> None:
        job = order()

        class Refused(SketchTrainer):
            def train(self, command, *, listener, **others):  # type: ignore[no-untyped-def]
                listener.on_sample = lambda sample: listener.on_sample_refused(
                    SampleRefused(sample.step, "moderation_blocked", "refused")
                )
                return super().train(command, listener=listener, **others)

        assert run(Refused()) == "failed"

        job.refresh_from_db()
        assert job.error_code == "moderation_blocked"
        assert job.samples.exclude(blob="").count() == 0
        assert not Adapter.objects.exists()


class TestWithdrawal:
    def test_a_revoked_raw_model_voids_what_waits(
        self, order: Order, raw_release: ModelRelease, submitter: Submitter
    ) -> None:
        job = order()

        revoke_release(release_id=raw_release.id, reason="test", actor=SYSTEM, at=now())

        job.refresh_from_db()
        assert (job.state, job.error_code) == ("failed", "model_revoked")
        assert balance_of(submitter.organization_id).held == 0

    def test_two_workers_never_get_the_same_training(
        self, order: Order, raw_release: ModelRelease
    ) -> None:
        order()
        claim(raw_release)

        second = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())

        assert second is None


class TestCourtesy:
    def test_on_a_shared_device_generations_come_first(self, submit: Callable[..., object]) -> None:
        assert Courtesy(shared=True)()

        submit()

        assert not Courtesy(shared=True)()

    def test_on_a_device_of_its_own_it_need_not_ask(self, submit: Callable[..., object]) -> None:
        submit()

        assert Courtesy(shared=False)()
