"""Ordering a training: limits, rights, price, hold, one job for one key."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from billing.operations.holds import IdempotencyKeyReused, InsufficientBalance
from billing.queries.balances import balance_of
from governance.kernel.errors import InvalidRequest, NotFound
from governance.models import AuditEntry, ModelRelease, User
from governance.operations.authorization import LicenceRefused
from governance.operations.termination import record_breach
from inference.models import Generation, TrainingDataset, TrainingItem, TrainingJob
from inference.operations.admissions import Submitter
from inference.operations.training_finishing import cancel_training
from inference.operations.training_orders import TrainingNeedsLiveKey
from inference.operations.training_planning import RightsNotAttested
from moderation.models import Decision
from moderation.operations.screening import PromptBlocked
from tests.factories import SYSTEM

pytestmark = pytest.mark.django_db
Order = Callable[..., TrainingJob]


def test_queues_a_job_with_a_hold_for_its_steps_and_pixels(
    order: Order, submitter: Submitter
) -> None:
    before = balance_of(submitter.organization_id).available

    job = order()

    # 2,000 µUSD at 1024 x 1024: 128 x 128 px cost 31.25, rounded up.
    assert job.quoted_microusd == 8 * 32
    assert balance_of(submitter.organization_id).available == before - 8 * 32
    assert (job.state, job.resolution) == ("queued", 128)


def test_freezes_the_dataset_and_names_its_content_and_its_attestation(
    order: Order, attested: TrainingDataset
) -> None:
    job = order()

    attested.refresh_from_db()
    entry = AuditEntry.objects.get(act="training.submitted")
    assert attested.sha256 == job.dataset_sha256 == job.attestation.items_sha256
    assert entry.facts["dataset_sha256"] == job.dataset_sha256
    assert Decision.objects.filter(job_id=job.id, stage="input", outcome="allow").exists()


def test_the_doorbell_rings_after_the_commit(
    order: Order, django_capture_on_commit_callbacks: Any
) -> None:
    rung: list[object] = []

    with django_capture_on_commit_callbacks(execute=True):
        job = order(rung=rung.append)
        assert rung == []

    assert rung == [job.id]


def test_the_same_key_and_request_give_the_same_job(order: Order, submitter: Submitter) -> None:
    first, again = order(key="k1", seed=1), order(key="k1", seed=1)

    assert again.id == first.id
    assert balance_of(submitter.organization_id).held == first.quoted_microusd


def test_the_same_key_with_another_request_is_refused(order: Order) -> None:
    order(key="k1", seed=1)

    with pytest.raises(IdempotencyKeyReused):
        order(key="k1", seed=2)


@pytest.mark.parametrize(
    "field",
    [
        {"steps": 3}, {"steps": 4_001}, {"rank": 0}, {"rank": 65}, {"learning_rate": 0.1},
        {"learning_rate": 0.0}, {"resolution": 4096}, {"seed": -1}, {"name": " "},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(order: Order, field: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        order(**field)

    assert refused.value.facts["param"] == next(iter(field))


def test_fewer_than_three_pictures_are_refused(
    order: Order, attested: TrainingDataset, attest: Callable[..., Any]
) -> None:
    TrainingItem.objects.filter(dataset=attested).first().delete()  # type: ignore[union-attr]
    attest()

    with pytest.raises(InvalidRequest, match="2 accepted pictures"):
        order()


def test_without_an_attestation_of_these_items_nothing_starts(
    order: Order, add: Callable[..., TrainingItem]
) -> None:
    add(7)

    with pytest.raises(RightsNotAttested):
        order()


def test_only_raw_is_trained_on(order: Order, release: ModelRelease) -> None:
    with pytest.raises(InvalidRequest, match="no Raw model"):
        order(base=release.slug)


def test_a_refused_trigger_word_is_on_record_and_costs_nothing(
    order: Order, submitter: Submitter
) -> None:
    with pytest.raises(PromptBlocked):
        order(trigger="a photo of a naked child")

    assert balance_of(submitter.organization_id).held == 0
    assert Decision.objects.filter(subject_kind="trigger").exclude(outcome="allow").exists()


def test_a_test_key_trains_nothing(order: Order, submitter: Submitter) -> None:
    with pytest.raises(TrainingNeedsLiveKey):
        order(by=replace(submitter, test_mode=True))


def test_an_empty_wallet_is_told(order: Order, submitter: Submitter) -> None:
    with pytest.raises(InsufficientBalance):
        order(steps=4_000, resolution=1024, rank=64, by=submitter, name="dear")
        order(steps=4_000, resolution=1024, rank=64, by=submitter, name="dear")

    assert TrainingDataset.objects.get().jobs.count() == 1


def test_an_organization_that_the_licence_stops_orders_nothing(
    order: Order, attested: TrainingDataset
) -> None:
    record_breach(
        organization_id=attested.organization_id,
        clause="4.1(c)",
        description="test",
        discovered_at=now(),
        actor=SYSTEM,
        at=now(),
    )

    with pytest.raises(LicenceRefused):
        order()


def test_another_tenants_dataset_is_not_found(
    order: Order, submitter: Submitter, stranger: User, funded: Callable[..., None]
) -> None:
    other = stranger.memberships.get().organization
    funded(other)

    with pytest.raises(NotFound):
        order(by=replace(submitter, organization_id=other.id, project_id=other.projects.get().id))


def test_a_queued_training_is_cancelled_at_once_and_free(
    order: Order, submitter: Submitter
) -> None:
    job = order()

    cancel_training(
        organization_id=submitter.organization_id, job_id=job.id, actor=submitter.actor, at=now()
    )

    job.refresh_from_db()
    assert (job.state, job.charged_microusd) == ("cancelled", 0)
    assert balance_of(submitter.organization_id).held == 0


def test_the_database_charges_only_what_succeeded(order: Order) -> None:
    job = order()

    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingJob.objects.filter(id=job.id).update(charged_microusd=1)


def test_no_generation_is_made_of_it(order: Order) -> None:
    order()

    assert not Generation.objects.exists()
