"""The spawned engine process, from the supervisor's side of the connection."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from django.utils.timezone import now

from governance.models import Organization
from inference.engine.attempts import EngineLost, Outcome
from inference.engine.client import EngineProcess
from inference.engine.protocol import GenerateCommand
from inference.models import Generation
from inference.operations.leases import Lease
from inference.operations.moodboards import StyleChoice, StyleWish
from inference.operations.references import upload_reference
from inference.operations.running import command_of
from tests.factories import SYSTEM
from tests.inference.test_references import picture

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.timeout(600),
]
Order = Callable[..., GenerateCommand]


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    process = EngineProcess()
    process.start(on_progress=lambda _detail: None)
    yield process
    process.kill()


@pytest.fixture
def order(submit: Callable[..., Generation]) -> Order:
    def make(**fields: Any) -> GenerateCommand:
        job = submit("a red circle", **{"width": 64, "height": 64, "seed": 7, **fields})
        return command_of(job, Lease(job.id, job.organization_id, 1, 1))

    return make


def run(
    engine: EngineProcess,
    command: GenerateCommand,
    *,
    on_step: Callable[[int, int], None] = lambda _step, _steps: None,
    should_cancel: Callable[[], bool] = lambda: False,
    stuck_after_s: float = 300.0,
) -> Outcome:
    return engine.generate(
        command, on_step=on_step, should_cancel=should_cancel, stuck_after_s=stuck_after_s
    )


class TestEngineProcess:
    def test_several_jobs_are_under_way_at_once_and_each_gets_its_own(
        self, engine: EngineProcess, order: Order
    ) -> None:
        commands = [order(seed=seed, images=1 + seed % 2) for seed in range(4)]

        with ThreadPoolExecutor(4) as threads:
            outcomes = list(threads.map(lambda command: run(engine, command), commands))

        assert [len(outcome.released) for outcome in outcomes] == [1, 2, 1, 2]
        for command, outcome in zip(commands, outcomes, strict=True):
            assert all(image.receipt["job"] == command.job_id for image in outcome.released)

    def test_a_job_with_a_style_reference_comes_back_with_its_hash_in_the_receipt(
        self, engine: EngineProcess, order: Order, organization: Organization
    ) -> None:
        reference = upload_reference(
            data=picture(), name="", organization_id=organization.id, actor=SYSTEM, at=now()
        )
        command = order(style=StyleWish((StyleChoice(reference.id, 0.5),)))

        outcome = run(engine, command)

        assert [each.receipt["references"] for each in outcome.released] == [[reference.sha256]]

    def test_a_prompt_is_left_as_it_is_where_no_expander_can_be_loaded(
        self, engine: EngineProcess
    ) -> None:
        assert engine.expand("a/1", "a red circle", stuck_after_s=300.0) == "a red circle"

    def test_an_engine_that_was_idle_for_long_is_not_taken_for_dead(
        self, engine: EngineProcess, order: Order
    ) -> None:
        engine.last_sign -= 10_000

        outcome = run(engine, order(), stuck_after_s=300.0)

        assert len(outcome.released) == 1

    def test_a_running_job_is_cancelled_within_a_step_or_two(
        self, engine: EngineProcess, order: Order
    ) -> None:
        long = replace(order(), steps=100, width=256, height=256)
        seen: list[int] = []

        outcome = run(
            engine,
            long,
            on_step=lambda step, _of: seen.append(step),
            should_cancel=lambda: bool(seen),
        )

        assert outcome.cancelled
        assert outcome.released == []
        assert len(seen) < 100

    def test_an_engine_that_is_killed_is_lost_for_all_who_wait_and_tells_who_had_begun(
        self, order: Order
    ) -> None:
        process = EngineProcess()
        process.start(on_progress=lambda _detail: None)
        drawing = replace(order(), steps=100, width=256, height=256)
        behind = replace(order(), width=128, alone=True)
        begun = threading.Event()
        lost: dict[str, EngineLost] = {}

        def wait_for(name: str, command: GenerateCommand) -> None:
            with pytest.raises(EngineLost) as error:
                run(process, command, on_step=lambda _step, _of: begun.set())
            lost[name] = error.value

        threads = [threading.Thread(target=wait_for, args=("drawing", drawing))]
        threads[0].start()
        assert begun.wait(120)
        threads.append(threading.Thread(target=wait_for, args=("behind", behind)))
        threads[1].start()
        deadline = time.monotonic() + 60
        while len(process._waiting) < 2 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        process.kill()
        for thread in threads:
            thread.join(60)

        assert lost["drawing"].begun is True
        assert lost["behind"].begun is False
        assert not process.alive

    def test_an_engine_that_shows_no_life_is_killed(self, order: Order) -> None:
        process = EngineProcess()
        process.start(on_progress=lambda _detail: None)

        with pytest.raises(EngineLost, match="showed no step"):
            run(process, replace(order(), steps=100, width=512, height=512), stuck_after_s=-1.0)

        assert not process.alive
