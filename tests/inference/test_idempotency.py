"""Equal requests become one job: by key for a day, by the SDK's mark for a quarter of an hour."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils.timezone import now

from billing.operations.holds import IdempotencyKeyReused
from billing.queries.balances import balance_of
from governance.kernel.errors import InvalidRequest
from inference.models import Generation, IdempotencyKey
from inference.operations.admissions import Submitter
from inference.operations.idempotency import KEPT, Repetition, forget_old_keys
from inference.operations.planning import GenerationRequest
from inference.operations.submission import PromptBlocked, submit_generation
from moderation.models import Strike
from tests.inference.conftest import Rung

PROMPT = "a large red circle on a blue background"
HARMFUL = "a photo of a naked child"
Submit = Callable[..., Generation]


@pytest.mark.django_db
class TestKeys:
    def test_a_key_is_free_again_after_24_hours(self, submit: Submit) -> None:
        first = submit(idempotency_key="order-7")
        IdempotencyKey.objects.update(created_at=now() - KEPT)

        second = submit("a green star", idempotency_key="order-7")

        assert second.id != first.id
        assert IdempotencyKey.objects.get().generation_id == second.id

    def test_old_keys_are_forgotten(self, submit: Submit) -> None:
        submit(idempotency_key="old")
        IdempotencyKey.objects.update(created_at=now() - KEPT)
        submit(idempotency_key="young")

        assert forget_old_keys(at=now()) == 1
        assert [row.key for row in IdempotencyKey.objects.all()] == ["young"]

    def test_a_refused_request_is_answered_from_its_job_and_strikes_once(
        self, submit: Submit
    ) -> None:
        with pytest.raises(PromptBlocked):
            submit(HARMFUL, idempotency_key="order-9")

        again = submit(HARMFUL, idempotency_key="order-9")

        assert again.state == "blocked"
        assert Strike.objects.count() == 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "two\nlines"])
    def test_what_is_no_key_is_refused(self, submit: Submit, key: str) -> None:
        with pytest.raises(InvalidRequest):
            submit(idempotency_key=key)

    def test_a_failed_job_is_not_joined_by_a_retry(self, submit: Submit) -> None:
        first = submit()
        Generation.objects.filter(id=first.id).update(state="failed", finished_at=now())

        assert submit(retry=True).id != first.id


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Real threads on PostgreSQL, released at the same moment."""

    def race(self, submitter: Submitter, repetitions: list[Repetition]) -> list[object]:
        gate = Barrier(len(repetitions))
        arrived = now()

        def ask(place: int) -> object:
            gate.wait(timeout=60)
            try:
                return submit_generation(
                    request=GenerationRequest(prompt=PROMPT, seed=1),
                    submitter=submitter,
                    repetition=repetitions[place],
                    # The first attempt came first, whoever commits first.
                    at=arrived + timedelta(milliseconds=repetitions[place].retry_count or 0),
                    enqueue=Rung(),
                ).generation_id
            except IdempotencyKeyReused as error:
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(repetitions)) as pool:
            return list(pool.map(ask, range(len(repetitions))))

    def test_one_key_at_once_is_one_job_and_one_hold(self, submitter: Submitter) -> None:
        answers = self.race(submitter, [Repetition(key="order-7")] * 4)

        job = Generation.objects.get()
        assert answers == [job.id] * 4
        assert balance_of(submitter.organization_id).held == job.quoted_microusd

    def test_a_first_attempt_and_its_retry_at_once_are_one_job(self, submitter: Submitter) -> None:
        answers = self.race(submitter, [Repetition(retry_count=count) for count in (0, 1, 2)])

        job = Generation.objects.get()
        assert answers == [job.id] * 3
        assert balance_of(submitter.organization_id).held == job.quoted_microusd
