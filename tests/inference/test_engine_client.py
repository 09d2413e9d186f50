"""The supervisor's side of the connection, with a stand-in that speaks the protocol."""

import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from uuid import uuid4

import pytest

from inference.engine.attempts import EngineLost
from inference.engine.client import EngineProcess
from inference.engine.protocol import GenerateCommand, receive, send

JOB = str(uuid4())
DONE = {"cancelled": False}


def order(attempt: int) -> GenerateCommand:
    return GenerateCommand(
        job_id=JOB,
        attempt=attempt,
        prompt="a circle",
        prompt_receipt={},
        width=64,
        height=64,
        steps=4,
        guidance=0.0,
        seed=1,
        images=1,
        output_format="png",
    )


@pytest.fixture
def wire() -> Iterator[tuple[EngineProcess, Connection]]:
    """A client that is connected, and the engine's end."""
    ours, theirs = Pipe()
    engine = EngineProcess()
    engine.connection = ours
    reader = threading.Thread(target=engine._read, args=(ours,), daemon=True)
    reader.start()
    yield engine, theirs
    theirs.close()
    reader.join(5)


def refused(attempt: int, detail: str) -> dict[str, object]:
    return {
        "ticket": order(attempt).ticket,
        "index": 0,
        "code": "x",
        "detail": detail,
        "facts": {},
    }


def test_a_job_in_an_engine_that_was_dismissed_is_not_to_blame_though_it_was_begun(
    wire: tuple[EngineProcess, Connection],
) -> None:
    engine, theirs = wire

    def go_while_it_draws(_step: int, _steps: int) -> None:
        engine.dismiss("the worker was told to go")
        theirs.close()

    def begin() -> None:
        receive(theirs)
        send(theirs, "begun", {"ticket": order(1).ticket})
        send(theirs, "step", {"ticket": order(1).ticket, "step": 1, "steps": 4})

    threading.Thread(target=begin).start()
    with pytest.raises(EngineLost, match="told to go") as lost:
        engine.generate(
            order(1), on_step=go_while_it_draws, should_cancel=lambda: False, stuck_after_s=30
        )

    assert not lost.value.begun


def test_an_attempt_that_is_given_up_is_cancelled_in_the_engine(
    wire: tuple[EngineProcess, Connection],
) -> None:
    engine, theirs = wire

    def database_gone() -> bool:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        engine.generate(
            order(1), on_step=lambda *_: None, should_cancel=database_gone, stuck_after_s=5
        )

    assert receive(theirs)[0] == "generate"
    kind, header, _ = receive(theirs)
    assert (kind, header["ticket"]) == ("cancel", f"{JOB}/1")


def test_what_an_earlier_attempt_still_says_is_not_taken_for_the_next_ones(
    wire: tuple[EngineProcess, Connection],
) -> None:
    engine, theirs = wire
    found = []
    waiting = threading.Thread(
        target=lambda: found.append(
            engine.generate(
                order(2),
                on_step=lambda *_: None,
                should_cancel=lambda: False,
                stuck_after_s=5,
            )
        )
    )
    waiting.start()
    assert receive(theirs)[1]["attempt"] == 2

    send(theirs, "refused", refused(1, "of the first attempt"))
    send(theirs, "done", {"ticket": order(1).ticket, **DONE})
    send(theirs, "refused", refused(2, "of the second attempt"))
    send(theirs, "done", {"ticket": order(2).ticket, **DONE})
    waiting.join(10)

    (outcome,) = found
    assert [each.detail for each in outcome.refused] == ["of the second attempt"]


def test_a_prompt_comes_back_as_the_engines_expander_would_have_it(
    wire: tuple[EngineProcess, Connection],
) -> None:
    engine, theirs = wire

    def answer() -> None:
        kind, header, _ = receive(theirs)
        assert (kind, header["text"]) == ("expand", "a circle")
        send(theirs, "expanded", {"ticket": header["ticket"], "text": "a circle, in soft light"})

    answering = threading.Thread(target=answer)
    answering.start()
    text = engine.expand(order(1).ticket, "a circle", stuck_after_s=10)
    answering.join(10)

    assert text == "a circle, in soft light"


def test_a_prompt_stays_as_it_is_when_the_expander_gives_no_answer(
    wire: tuple[EngineProcess, Connection],
) -> None:
    engine, _theirs = wire

    assert engine.expand(order(1).ticket, "a circle", stuck_after_s=0.05) == "a circle"


def test_an_engine_that_dies_while_it_expands_is_lost_and_the_job_not_to_blame(
    wire: tuple[EngineProcess, Connection],
) -> None:
    engine, theirs = wire
    dying = threading.Thread(target=lambda: (receive(theirs), theirs.close()))
    dying.start()

    with pytest.raises(EngineLost) as lost:
        engine.expand(order(1).ticket, "a circle", stuck_after_s=10)
    dying.join(10)

    assert not lost.value.begun
