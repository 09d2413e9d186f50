"""Embedded servers borrowed for the duration of one command."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from governance.stack.accounts import Account, may_pass
from governance.stack.addresses import living_addresses, write_note
from governance.stack.generated_secrets import NAMES, complete_secrets, read_secrets
from governance.stack.layout import Layout
from governance.stack.locks import FileLock, is_held
from governance.stack.postgres import FAST, SOCKET_PATH_BYTES, Postgres
from governance.stack.preflight import check_disk
from governance.stack.processes import Fate, Footprint
from governance.stack.servers import Servers, borrowed, up_lock
from governance.stack.valkey import Valkey, answers


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A LICET_HOME that PostgreSQL's own system user may enter when we are root."""
    home = Path(f"/tmp/licet-borrow-{os.getpid()}-{time.monotonic_ns()}")
    home.mkdir(mode=0o711)
    yield Layout(home)
    shutil.rmtree(home)


def servers(layout: Layout) -> Servers:
    """Both servers, fast."""
    return Servers(layout, Postgres(layout, Fate(None), FAST), Valkey(layout, Fate(None)))


def test_a_command_finds_both_servers_and_the_last_one_stops_them(layout: Layout) -> None:
    with borrowed(layout, make=lambda: servers(layout)):
        addresses = living_addresses(layout.home)
        with borrowed(layout, make=lambda: servers(layout)):
            shared = living_addresses(layout.home)
        with psycopg.connect(addresses["database_url"]) as database:
            answer = database.execute("SELECT 1").fetchone()
        still_there = answers(addresses["redis_url"])

    assert answer == (1,)
    assert shared == addresses
    assert still_there
    assert not answers(addresses["redis_url"])
    assert not layout.addresses.exists()


def test_a_command_leaves_the_servers_of_a_running_stack_alone(layout: Layout) -> None:
    layout.prepare()
    stack = servers(layout)
    stack.start()
    lock = up_lock(layout)
    assert lock.try_exclusive()

    with borrowed(layout, make=lambda: servers(layout)):
        pass

    assert set(living_addresses(layout.home)) == {"database_url", "redis_url"}
    lock.close()
    stack.stop()


def test_addresses_of_a_dead_stack_are_ignored(layout: Layout) -> None:
    layout.prepare()
    stale = {
        "database_url": f"postgresql://postgres@/licet?host={layout.run}/postgres",
        "redis_url": "redis://:x@127.0.0.1:1/0",
    }
    write_note(layout, stale)

    assert living_addresses(layout.home) == {}


def test_a_long_home_gets_a_short_socket_path(layout: Layout) -> None:
    deep = Layout(layout.home / ("x" * 60) / ("y" * 60))
    server = Postgres(deep, Fate(None))

    folder = server.socket_folder()

    assert len(str(folder)) < SOCKET_PATH_BYTES
    assert folder == Postgres(deep, Fate(None)).socket_folder()
    folder.rmdir()


def test_a_private_folder_does_not_let_another_account_pass(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    stranger = Account(uid=os.geteuid() + 1, gid=os.getegid() + 1)

    assert not may_pass(private / "data", stranger)


def test_given_secrets_are_not_generated_and_kept_ones_not_replaced(layout: Layout) -> None:
    first = complete_secrets(layout, given={"LICET_SECRET_KEY"})

    again = complete_secrets(layout, given=())

    assert set(first) == set(NAMES) - {"LICET_SECRET_KEY"}
    assert set(again) == {"LICET_SECRET_KEY"}
    assert read_secrets(layout) == first | again
    assert layout.secrets.stat().st_mode & 0o777 == 0o600


def test_a_lock_is_held_by_one_at_a_time(layout: Layout) -> None:
    path = layout.home / "some.lock"
    holder, other = FileLock(path), FileLock(path)
    assert holder.try_exclusive()

    assert not other.try_exclusive()
    assert is_held(path)
    holder.close()
    assert not is_held(path)
    other.close()


def test_another_process_with_the_same_number_is_not_the_one_remembered() -> None:
    us = Footprint.of(os.getpid())

    assert us.is_alive()
    assert not Footprint(us.pid, us.started - 60).is_alive()


def test_too_little_disk_is_one_sentence(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(layout.home)._replace(free=200_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    with pytest.raises(Exception, match=r"Only 0\.2 GB are free .* set LICET_HOME"):
        check_disk(layout.home)


def test_valkey_refuses_whoever_has_no_password(layout: Layout) -> None:
    layout.prepare()
    server = Valkey(layout, Fate(signal.SIGTERM))
    server.start()
    server.wait_ready()

    stranger = server.url.replace(server.password, "guess")

    assert not answers(stranger)
    server.stop()
