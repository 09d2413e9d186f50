"""``make reset``."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from governance.env import Env
from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.postgres import FAST, Postgres
from governance.stack.processes import Fate, Footprint
from governance.stack.removal import check_is_home, remove_state, stop_everything
from governance.stack.servers import Servers, up_lock
from governance.stack.valkey import Valkey


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A LICET_HOME that PostgreSQL's own system user may enter when we are root."""
    home = Path(f"/tmp/licet-reset-{os.getpid()}-{time.monotonic_ns()}")
    home.mkdir(mode=0o711)
    yield Layout(home)
    shutil.rmtree(home, ignore_errors=True)


def test_servers_left_running_are_stopped_before_their_data_goes(layout: Layout) -> None:
    layout.prepare()
    up_lock(layout).close()
    left = Servers(layout, Postgres(layout, Fate(None), FAST), Valkey(layout, Fate(None)))
    left.start()
    prints = [Footprint.of(server.process.pid) for server in left.each() if server.process]

    check_is_home(layout)
    stop_everything(layout)
    removed = remove_state(layout, whole=False)
    for server in left.each():
        server.stop()

    assert not [footprint for footprint in prints if footprint.is_alive()]
    assert {path.name for path in removed} == {"postgres", "valkey", "run", "logs"}


def test_a_stranger_s_file_in_a_chosen_home_stays(layout: Layout) -> None:
    layout.prepare()
    (layout.home / "diary.txt").write_text("mine")

    remove_state(layout, whole=False)

    assert [path.name for path in layout.home.iterdir()] == ["diary.txt"]


def test_a_folder_where_no_licet_ran_is_refused(layout: Layout) -> None:
    (layout.home / "logs").mkdir()

    with pytest.raises(StackError, match="Nothing was removed"):
        check_is_home(layout)


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICET_HOME", "")
    monkeypatch.setenv("LICET_PORT", "")

    env = Env()

    assert env.home.name == ".licet"
    assert env.port == 8000
