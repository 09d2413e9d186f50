"""A server that dies while it starts again does not take the stack down."""

from pathlib import Path
from typing import Any

import pytest

from governance.stack import servers
from governance.stack.errors import StackError
from governance.stack.servers import RESTARTS, revive


class Dying:
    """A server that dies in its first ``deaths`` starts."""

    name = "Server"
    log = Path("server.log")

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.starts = 0

    def start(self) -> None:
        self.starts += 1

    def wait_ready(self) -> None:
        if self.starts <= self.deaths:
            raise StackError(f"died in start {self.starts}.", "Look at its log.")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(servers.time, "sleep", slept.append)
    return slept


def test_a_server_killed_during_its_recovery_is_started_once_more(pauses):
    server: Any = Dying(deaths=2)
    told: list[str] = []

    revive(server, tell=told.append)

    assert server.starts == len(told) == 3
    assert pauses == [1.0, 2.0]


def test_a_server_that_never_comes_back_ends_the_stack_with_its_last_words():
    server: Any = Dying(deaths=RESTARTS)

    with pytest.raises(StackError, match=f"died in start {RESTARTS}"):
        revive(server, tell=lambda _: None)

    assert server.starts == RESTARTS
