"""Expanding a prompt: on request only, shown, gated before and after, by the small expander or a model."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.utils.timezone import now

from governance.kernel.ids import uuid7
from governance.models import AuditEntry, Organization
from inference.engine.attempts import EngineLost
from inference.models import Generation
from inference.operations.admissions import Submitter
from inference.operations.erasing import forget_person
from inference.operations.leases import Lease, claim_next
from inference.operations.planning import GenerationRequest
from inference.operations.prompts import screen_words
from inference.operations.running import command_of, run_attempt
from inference.operations.trial import try_generation
from moderation.models import Decision
from moderation.operations.screening import PromptBlocked, restore_screened_prompt
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]
PROMPT = "a large red circle"
HARMFUL = "a photo of a naked child"


def claimed(releases: list[UUID]) -> Lease:
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    assert lease is not None
    return lease


class TestTheSmallExpander:
    def test_stays_away_unless_it_is_asked_for(self, submit: Submit) -> None:
        job = submit(PROMPT)

        assert (job.revised_prompt, job.prompt_receipt["kind"]) == ("", "prompt")

    def test_gives_the_engine_a_screened_prompt_that_holds_the_users(self, submit: Submit) -> None:
        job = submit(PROMPT, expand_prompt=True)

        command = command_of(job, Lease(job.id, job.organization_id, 1, 1))
        prompt = restore_screened_prompt(
            text=command.prompt, receipt=command.prompt_receipt, job_id=job.id
        )
        assert job.prompt == PROMPT
        assert prompt.text == job.revised_prompt != PROMPT
        assert prompt.text.startswith(PROMPT)
        assert prompt.kind == "expanded"

    def test_has_both_texts_judged_on_record(self, submit: Submit) -> None:
        job = submit(PROMPT, expand_prompt=True)

        decisions = Decision.objects.filter(job_id=job.id).order_by("id")
        assert [each.subject_kind for each in decisions] == ["prompt", "expanded"]
        entry = AuditEntry.objects.get(act="generation.submitted")
        assert entry.facts["decision"] == str(decisions[1].id)

    def test_leaves_a_refused_prompt_refused(self, submit: Submit) -> None:
        with pytest.raises(PromptBlocked):
            submit(HARMFUL, expand_prompt=True)

        job = Generation.objects.get()
        assert (job.state, job.revised_prompt) == ("blocked", "")
        assert Decision.objects.get().subject_kind == "prompt"

    def test_leaves_a_prompt_alone_that_would_grow_too_long(self, submit: Submit) -> None:
        prompt = "circle " * 503

        job = submit(prompt, expand_prompt=True)

        assert job.revised_prompt == prompt

    def test_refuses_an_expansion_that_the_gate_refuses(self, organization: Organization) -> None:
        with pytest.raises(PromptBlocked):
            screen_words(
                prompt=PROMPT,
                expand=True,
                test_mode=False,
                subject=uuid7(),
                organization_id=organization.id,
                at=now(),
                expander=lambda prompt: f"{prompt}, {HARMFUL}",
            )

    def test_is_tried_in_a_dry_run_too(self, submitter: Submitter) -> None:
        trial = try_generation(
            request=GenerationRequest(prompt=HARMFUL, expand_prompt=True),
            submitter=submitter,
            at=now(),
        )

        assert trial.refusal is not None

    def test_is_forgotten_with_the_person(self, submit: Submit, owner: Any) -> None:
        job = submit(PROMPT, expand_prompt=True)
        Generation.objects.filter(id=job.id).update(
            member=owner, state="cancelled", finished_at=now()
        )

        forget_person(owner.id, now())

        job.refresh_from_db()
        assert (job.prompt, job.revised_prompt) == ("", "")


class WritingEngine(SketchEngine):
    """A sketch engine with an expander that writes what the test says."""

    def __init__(self, writes: str, **fields: Any) -> None:
        super().__init__(**fields)
        self.writes = writes
        self.asked = 0

    def expand(self, ticket: str, prompt: str, *, stuck_after_s: float) -> str:
        self.asked += 1
        if not self.writes:
            raise EngineLost("the engine process ended", begun=False)
        return f"{prompt}, {self.writes}"


class TestAModelInTheEngine:
    @pytest.fixture(autouse=True)
    def with_a_model(self, settings: Any) -> None:
        settings.PROMPT_EXPANDER = "/models/expander"

    def test_expands_before_the_job_is_drawn_and_the_gate_reads_it(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job, engine = submit(PROMPT, expand_prompt=True), WritingEngine("in soft light")

        ended = run_attempt(lease=claimed(releases), engine=engine, actor=WORKER)

        job.refresh_from_db()
        assert ended == "succeeded"
        assert job.revised_prompt == f"{PROMPT}, in soft light"
        assert engine.commands[0].prompt == job.revised_prompt
        kinds = Decision.objects.filter(job_id=job.id, stage="input").order_by("id")
        assert [each.subject_kind for each in kinds] == ["prompt", "expanded"]

    def test_whose_words_are_refused_ends_the_job_undrawn_and_free(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        job, engine = submit(PROMPT, expand_prompt=True), WritingEngine(HARMFUL)

        run_attempt(lease=claimed(releases), engine=engine, actor=WORKER)

        job.refresh_from_db()
        assert (job.state, job.error_code, job.charged_microusd) == (
            "blocked",
            "moderation_blocked",
            0,
        )
        assert engine.commands == []
        refused = Decision.objects.get(job_id=job.id, outcome="block")
        assert refused.subject_kind == "expanded"

    def test_is_asked_once_for_a_job_that_is_drawn_twice(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        submit(PROMPT, expand_prompt=True)
        engine = WritingEngine("in soft light", dies_at=2)

        first = run_attempt(lease=claimed(releases), engine=engine, actor=WORKER)
        second = run_attempt(lease=claimed(releases), engine=engine, actor=WORKER)

        assert (first, second, engine.asked) == ("requeued", "succeeded", 1)

    def test_that_takes_its_engine_down_puts_the_job_back(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        submit(PROMPT, expand_prompt=True)

        ended = run_attempt(lease=claimed(releases), engine=WritingEngine(""), actor=WORKER)

        assert ended == "requeued"

    def test_is_not_asked_unless_the_request_wants_it(
        self, submit: Submit, releases: list[UUID]
    ) -> None:
        submit(PROMPT)
        engine = WritingEngine("in soft light")

        run_attempt(lease=claimed(releases), engine=engine, actor=WORKER)

        assert (engine.asked, engine.commands[0].prompt) == (0, PROMPT)
