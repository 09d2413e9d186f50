"""A worker that is told to go: it claims nothing more, finishes what it can and hands back the rest."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings
from django.db import connections

from inference import tasks
from inference.engine.attempts import EngineLost, EngineNotReady, Outcome
from inference.engine.client import EngineProcess
from inference.engine.protocol import GenerateCommand, Ready
from inference.models import EngineStatus, Generation
from inference.supervisor import TOLD_TO_GO, Supervisor
from tests.inference.conftest import SketchEngine

Submit = Callable[..., Generation]
PATIENCE_S = 30.0

pytestmark = pytest.mark.django_db(transaction=True)


class HeldEngine(SketchEngine):
    """Holds its first step until it is let go; ends as EngineProcess does when it is dismissed."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = False
        self.ready: Ready | None = None
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.reason = ""

    def start(self, *, on_progress: Callable[[str], None]) -> Ready:
        if self.reason:
            raise EngineNotReady(self.reason)
        self.alive = True
        self.ready = Ready(model="krea-2-tiny-turbo", device="sketch", gate="real", self_test_s=0.0)
        return self.ready

    def dismiss(self, reason: str) -> None:
        self.reason, self.alive = reason, False
        self.go.set()

    def generate(self, command: GenerateCommand, **calls: object) -> Outcome:  # type: ignore[override]
        self.begun.release()
        self.go.wait(PATIENCE_S)
        if self.reason:
            raise EngineLost(self.reason, begun=False)
        return super().generate(command, **calls)  # type: ignore[arg-type]


@pytest.fixture
def engine() -> HeldEngine:
    return HeldEngine()


@pytest.fixture
def supervisor(
    engine: HeldEngine, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    """A supervisor with one lane, known to the worker's signal handlers."""
    settings.ENGINE_LANES = 1
    made = Supervisor()
    made.engine = engine  # type: ignore[assignment]
    monkeypatch.setattr(tasks, "supervisors", [made])
    yield made
    made.stop()
    connections.close_all()


def end(supervisor: Supervisor) -> None:
    supervisor.await_end()
    assert not supervisor.thread.is_alive()


def test_on_term_a_worker_finishes_what_it_draws_and_claims_nothing_more(
    supervisor: Supervisor, engine: HeldEngine, submit: Submit
) -> None:
    drawn, waiting = submit(), submit()
    supervisor.start()
    assert engine.begun.acquire(timeout=PATIENCE_S)

    tasks.dismiss_supervisors(sig="SIGTERM")
    engine.go.set()
    end(supervisor)

    drawn.refresh_from_db()
    waiting.refresh_from_db()
    assert (drawn.state, drawn.attempts) == ("succeeded", 1)
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    assert not engine.alive
    assert EngineStatus.objects.get(worker=supervisor.worker).state == "stopped"


def test_when_the_time_is_over_the_job_goes_back_and_has_lost_no_attempt(
    supervisor: Supervisor, engine: HeldEngine, submit: Submit, settings: LazySettings
) -> None:
    settings.DRAIN_S = 0
    job = submit()
    supervisor.start()
    assert engine.begun.acquire(timeout=PATIENCE_S)

    tasks.dismiss_supervisors(sig="SIGTERM")
    end(supervisor)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.charged_microusd) == ("queued", 0, 0)
    assert engine.reason == TOLD_TO_GO


@pytest.mark.parametrize("second", ["SIGTERM", "SIGINT"])
def test_a_second_signal_does_not_wait(
    supervisor: Supervisor, engine: HeldEngine, submit: Submit, second: str
) -> None:
    job = submit()
    supervisor.start()
    assert engine.begun.acquire(timeout=PATIENCE_S)

    tasks.dismiss_supervisors(sig="SIGTERM")
    assert engine.alive
    tasks.dismiss_supervisors(sig=second)

    job.refresh_from_db()
    assert not supervisor.thread.is_alive()
    assert (job.state, job.attempts) == ("queued", 0)


def test_a_worker_that_draws_nothing_ends_at_once(
    supervisor: Supervisor, engine: HeldEngine, organization: object, releases: object
) -> None:
    supervisor.start()
    until = time.monotonic() + PATIENCE_S
    while not engine.alive and time.monotonic() < until:
        time.sleep(0.01)

    tasks.dismiss_supervisors(sig="SIGTERM")
    tasks.await_supervisors()

    assert not supervisor.thread.is_alive()
    assert not engine.alive


def test_while_it_finishes_it_says_so(
    supervisor: Supervisor, engine: HeldEngine, submit: Submit
) -> None:
    submit()
    supervisor.start()
    assert engine.begun.acquire(timeout=PATIENCE_S)
    supervisor._reported = 0.0

    supervisor.drain()
    until = time.monotonic() + PATIENCE_S
    while (said := EngineStatus.objects.get().state) != "draining" and time.monotonic() < until:
        time.sleep(0.05)

    assert said == "draining"


def test_an_engine_that_was_dismissed_does_not_start_again() -> None:
    engine = EngineProcess("no-such-model")

    engine.dismiss(TOLD_TO_GO)

    with pytest.raises(EngineNotReady, match=TOLD_TO_GO):
        engine.start(on_progress=lambda _detail: None)
    assert not engine.alive
