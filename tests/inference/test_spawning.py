"""Engines that are spawned before Django loads: handed over once, or ended."""

import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe

import pytest
from django.test import override_settings

from inference.engine import spawning
from inference.engine.attempts import EngineNotReady
from inference.engine.client import EngineProcess
from inference.engine.protocol import send
from inference.engine.spawning import (
    Spawned,
    end_early,
    engines_of_this_host,
    spawn_early,
    take_early,
)

ENGINE = ("a-model", "")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Spawned]]:
    """What was spawned: processes that sleep in an engine's place."""
    made: list[Spawned] = []

    def spawn(model: str, gpu: str) -> Spawned:
        ours, theirs = Pipe()
        send(theirs, "not_ready", {"detail": f"{model} sleeps"})
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        made.append((process, ours))
        return made[-1]

    monkeypatch.setattr(spawning, "spawn", spawn)
    monkeypatch.setattr(spawning, "engines_of_this_host", lambda: [ENGINE])
    yield made
    for process, _ in made:
        process.kill()
        process.wait()


def test_an_early_engine_is_handed_over_once(spawned: list[Spawned]) -> None:
    spawn_early()

    assert take_early("another", "") is None
    assert take_early(*ENGINE) is spawned[0]
    assert take_early(*ENGINE) is None


def test_an_early_engine_that_nobody_takes_is_ended(spawned: list[Spawned]) -> None:
    spawn_early()

    end_early()

    assert spawned[0][0].poll() is not None
    assert take_early(*ENGINE) is None


def test_the_supervisor_starts_the_process_that_loads_already(spawned: list[Spawned]) -> None:
    spawn_early()
    engine = EngineProcess(*ENGINE, spawned=take_early(*ENGINE))
    assert not engine.alive

    with pytest.raises(EngineNotReady, match="a-model sleeps"):
        engine.start(on_progress=lambda _detail: None)

    assert engine.process is spawned[0][0]
    assert not engine.alive


def test_an_engine_that_is_not_wanted_after_all_is_killed(spawned: list[Spawned]) -> None:
    spawn_early()
    engine = EngineProcess(*ENGINE, spawned=take_early(*ENGINE))

    engine.kill()

    assert spawned[0][0].poll() is not None


def test_an_engine_whose_start_breaks_off_does_not_live_on_unheard() -> None:
    ours, theirs = Pipe()
    send(theirs, "loading", {"detail": "half of the weights"})
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    engine = EngineProcess(*ENGINE, spawned=(process, ours))

    def database_gone(_detail: str) -> None:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        engine.start(on_progress=database_gone)

    assert process.poll() is not None
    assert not engine.alive
    assert engine.ready is None
    theirs.close()
    ours.close()


def test_there_is_one_engine_for_each_gpu_and_the_models_take_turns() -> None:
    with override_settings(GPUS=("0", "1", "2"), MODELS=("turbo", "raw")):
        assert engines_of_this_host() == [("turbo", "0"), ("raw", "1"), ("turbo", "2")]
    with override_settings(GPUS=("5",), MODELS=("turbo",)):
        assert engines_of_this_host() == [("turbo", "5")]
