"""From a request to a queued, paid-for job, or to a refusal that costs nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from billing.operations.holds import IdempotencyKeyReused, InsufficientBalance
from billing.queries.balances import balance_of
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest
from governance.models import AuditEntry, Organization, User
from governance.operations.authorization import ReleaseNotFound
from inference.models import Generation
from inference.operations.admissions import Submitter
from inference.operations.submission import PromptBlocked
from moderation.operations.standing import ActorSuspended
from tests.factories import NOON, SYSTEM, create_api_key
from tests.inference.conftest import Rung, submitter_for

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]
HARMFUL = "a photo of a naked child"


class TestSubmitGeneration:
    def test_queues_a_job_with_a_hold_for_its_price(
        self, submit: Submit, organization: Organization
    ) -> None:
        job = submit()

        balance = balance_of(organization.id)
        assert job.state == "queued"
        assert job.hold_id is not None
        assert balance.held == job.quoted_microusd > 0
        assert balance.posted == 10_000_000

    def test_rings_the_doorbell_after_the_commit(
        self, submit: Submit, rung: Rung, django_capture_on_commit_callbacks: Callable[..., object]
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
            job = submit()

        assert rung.jobs == [job.id]

    def test_leaves_an_audit_entry(self, submit: Submit) -> None:
        job = submit()

        acts = AuditEntry.objects.filter(subject_id=str(job.id)).values_list("act", flat=True)
        assert list(acts) == ["generation.submitted"]

    def test_rounds_the_size_up_to_what_the_model_draws_and_prices_that(
        self, submit: Submit
    ) -> None:
        job = submit(width=65, height=100)

        assert (job.width, job.height) == (80, 112)

    def test_keeps_a_blocked_prompt_without_a_hold(
        self, submit: Submit, organization: Organization
    ) -> None:
        with pytest.raises(PromptBlocked) as refusal:
            submit(HARMFUL)

        job = Generation.objects.get()
        assert refusal.value.facts["charged_microusd"] == 0
        assert (job.state, job.hold_id, job.charged_microusd) == ("blocked", None, 0)
        assert balance_of(organization.id).held == 0

    def test_writes_nothing_when_the_wallet_is_empty(
        self,
        submit: Submit,
        organizations: Callable[..., Organization],
        funded: Callable[..., None],
    ) -> None:
        poor = organizations()
        funded(poor, dollars=0)
        key = create_api_key(project=poor.projects.get(), name="poor", actor=SYSTEM, at=NOON)

        with pytest.raises(InsufficientBalance):
            submit(by=submitter_for(key))

        assert not Generation.objects.filter(organization=poor).exists()

    @pytest.mark.parametrize(
        ("field", "value", "param"),
        [
            ("images", 11, "n"),
            ("steps", 101, "steps"),
            ("width", 2048, "size"),
            ("height", 16, "size"),
            ("seed", -1, "seed"),
            ("output_format", "gif", "output_format"),
        ],
    )
    def test_names_the_parameter_that_is_out_of_range(
        self, submit: Submit, field: str, value: object, param: str
    ) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            submit(**{field: value})

        assert refusal.value.facts["param"] == param

    def test_an_unknown_model_is_not_found(self, submit: Submit) -> None:
        with pytest.raises(ReleaseNotFound):
            submit(model="dall-e-3")


class TestIdempotency:
    def test_the_same_key_and_body_join_the_first_job(
        self, submit: Submit, organization: Organization
    ) -> None:
        first = submit(idempotency_key="order-7")

        second = submit(idempotency_key="order-7")

        assert second.id == first.id
        assert balance_of(organization.id).held == first.quoted_microusd

    def test_the_same_key_with_another_body_is_refused(self, submit: Submit) -> None:
        submit(idempotency_key="order-7")

        with pytest.raises(IdempotencyKeyReused):
            submit("a green star", idempotency_key="order-7")

    def test_a_marked_retry_without_a_key_joins_the_running_job(self, submit: Submit) -> None:
        first = submit()

        assert submit(retry=True).id == first.id

    def test_an_equal_request_that_is_no_retry_is_a_new_job(self, submit: Submit) -> None:
        first = submit()

        assert submit().id != first.id

    def test_a_retry_of_another_key_does_not_join(
        self, submit: Submit, organization: Organization
    ) -> None:
        first = submit()
        other = create_api_key(
            project=organization.projects.get(), name="other", actor=SYSTEM, at=NOON
        )

        assert submit(by=submitter_for(other), retry=True).id != first.id


class TestStanding:
    def test_a_person_who_was_refused_under_item_one_is_paused(
        self, submit: Submit, submitter: Submitter, owner: User
    ) -> None:
        person = replace(submitter, member_id=owner.id, actor=Actor(kind="user", id=str(owner.id)))
        with pytest.raises(PromptBlocked):
            submit(HARMFUL, by=person)

        with pytest.raises(ActorSuspended):
            submit(by=person)

    def test_a_key_goes_on_for_its_other_end_users(self, submit: Submit) -> None:
        with pytest.raises(PromptBlocked):
            submit(HARMFUL)

        assert submit().state == "queued"
