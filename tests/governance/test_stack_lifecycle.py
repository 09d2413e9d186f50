"""The supervisor of ``up`` with real servers and stand-in children."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from governance.stack.valkey import answers, free_port

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).with_name("stand_in_stack.py")
START_S = 60

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home() -> Path:
    """A LICET_HOME that PostgreSQL's own system user may enter when we are root."""
    folder = Path("/tmp") / f"licet-stack-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir(mode=0o711)
    return folder


@pytest.fixture
def launch(home: Path) -> Iterator[Launch]:
    """Start the stand-in stack; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(port: int | None = None) -> "subprocess.Popen[str]":
        with (home / f"stderr-{len(started)}").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(STAND_IN), str(home), str(port or free_port())],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate()
    subprocess.run(["rm", "-rf", str(home)], check=True)


def announced(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait for the JSON line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"it ended with exit code {process.wait()}: {last_words(process)}"
    return json.loads(line)


def last_words(process: "subprocess.Popen[str]") -> str:
    """What a stack that ended wrote to standard error."""
    home = Path(str(process.args[2]))  # type: ignore[index]
    return "\n".join(path.read_text() for path in sorted(home.glob("stderr-*")))


def said(home: Path, run: int = 0) -> str:
    """What a run wrote to standard error."""
    return (home / f"stderr-{run}").read_text()


def note(home: Path) -> dict[str, str]:
    """The addresses of the running servers."""
    return json.loads((home / "run" / "servers.json").read_text())


def family_of(home: Path) -> list[psutil.Process]:
    """Every process whose command line names this home."""
    everybody = psutil.process_iter(["cmdline"])
    return [process for process in everybody if names(process, str(home))]


def names(process: psutil.Process, text: str) -> bool:
    """Whether the command line of a process contains the text; a dead one has none."""
    try:
        return any(text in part for part in process.cmdline())
    except psutil.Error:
        return False


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; the dead whom nobody buried do not count."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def wait_until(condition: Callable[[], bool], seconds: float = START_S) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def descendants(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Everything below a process."""
    return psutil.Process(process.pid).children(recursive=True)


def test_stdout_carries_the_json_line_and_nothing_else(launch: Launch) -> None:
    up = launch()
    facts = announced(up)

    up.terminate()
    rest, _ = up.communicate(timeout=START_S)

    assert facts["url"].startswith("http://127.0.0.1:")
    assert facts["login_url"] == f"{facts['url']}/login/once"
    assert (facts["api_key"], facts["organization"]) == ("lct_test_stand_in", "stand-in")
    assert rest == ""


def test_what_needs_the_seed_starts_when_it_has_ended(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)

    assert (home / "run" / "seeded").exists()
    assert "web stopped" not in said(home)


def test_what_is_late_starts_once_the_others_are_healthy(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)

    assert any(names(child, "readyz") for child in descendants(up))
    time.sleep(0.5)
    assert "latecomer stopped" not in said(home)


def test_what_runs_once_is_not_started_again(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)
    errand = home / "logs" / "errand.log"
    wait_until(lambda: errand.exists() and "done" in errand.read_text())
    time.sleep(1.5)

    assert errand.read_text().count("done") == 1
    assert "errand" not in said(home)
    assert said(home).count("folly failed (exit code 3)") == 1


def test_sigterm_leaves_no_process_and_no_note_behind(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)
    below = descendants(up)
    assert {"postgres", "valkey-server"} <= {process.name() for process in below}

    up.send_signal(signal.SIGTERM)

    assert up.wait(timeout=START_S) == 0
    assert not alive(below)
    assert not (home / "run" / "servers.json").exists()


@pytest.mark.slow
def test_ctrl_c_ends_it_without_an_error(launch: Launch) -> None:
    up = launch()
    announced(up)

    up.send_signal(signal.SIGINT)

    assert up.wait(timeout=START_S) == 0


def test_a_second_start_keeps_the_data_and_does_not_migrate_again(
    launch: Launch, home: Path
) -> None:
    first = launch()
    announced(first)
    first.terminate()
    first.wait(timeout=START_S)

    announced(launch())

    with psycopg.connect(note(home)["database_url"]) as database:
        assert database.execute("SELECT count(*) FROM migrations_run").fetchone() == (1,)


@pytest.mark.slow
def test_a_killed_up_takes_everything_with_it_and_starts_again(launch: Launch, home: Path) -> None:
    first = launch()
    announced(first)
    below = descendants(first)

    first.kill()
    first.wait()
    announced(launch())

    with psycopg.connect(note(home)["database_url"]) as database:
        assert database.execute("SELECT count(*) FROM migrations_run").fetchone() == (1,)
    assert not alive(below)


@pytest.mark.slow
def test_everything_killed_at_once_still_starts_again(launch: Launch, home: Path) -> None:
    first = launch()
    announced(first)
    for process in [*descendants(first), psutil.Process(first.pid)]:
        process.kill()
    first.wait()
    assert (home / "run" / "servers.json").exists()

    announced(launch())

    assert answers(note(home)["redis_url"])


@pytest.mark.slow
def test_a_child_that_dies_is_started_again(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)
    (web,) = [child for child in descendants(up) if names(child, "http.server")]

    web.kill()

    wait_until(lambda: "web stopped (killed by SIGKILL); starting it again" in said(home))
    wait_until(lambda: any(names(child, "http.server") for child in descendants(up)))


@pytest.mark.slow
def test_a_valkey_that_dies_comes_back_at_the_same_address(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)
    address = note(home)["redis_url"]
    (server,) = [child for child in descendants(up) if child.name() == "valkey-server"]

    server.kill()

    wait_until(lambda: "Valkey stopped" in said(home))
    wait_until(lambda: answers(address))


def test_a_port_in_use_is_one_sentence(launch: Launch, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        up = launch(port)

        assert up.wait(timeout=START_S) == 1
    assert f"licet: Port {port} is in use by" in said(home)
    assert f"LICET_PORT={port + 1} make up" in said(home)
    assert "Traceback" not in said(home)


def test_a_second_up_on_the_same_home_is_refused(launch: Launch, home: Path) -> None:
    announced(launch())

    second = launch()

    assert second.wait(timeout=START_S) == 1
    assert "Another `up` already runs" in said(home, 1)


def test_data_of_another_postgresql_is_one_sentence(launch: Launch, home: Path) -> None:
    data = home / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")

    up = launch()

    assert up.wait(timeout=START_S) == 1
    assert "was made by PostgreSQL 16" in said(home)
    assert "`make reset`" in said(home)
    assert "Traceback" not in said(home)


@pytest.mark.slow
def test_broken_data_is_one_sentence(launch: Launch, home: Path) -> None:
    first = launch()
    announced(first)
    first.terminate()
    first.wait(timeout=START_S)
    (home / "postgres" / "global" / "pg_control").write_bytes(b"not a control file")

    second = launch()

    assert second.wait(timeout=START_S) == 1
    assert "PostgreSQL could not start" in said(home, 1)
    assert "Traceback" not in said(home, 1)
    assert not family_of(home)


def test_secrets_are_made_once_for_their_owner_only(launch: Launch, home: Path) -> None:
    first = launch()
    announced(first)
    kept = (home / "secrets.json").read_text()
    first.terminate()
    first.wait(timeout=START_S)

    announced(launch())

    assert (home / "secrets.json").read_text() == kept
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert set(json.loads(kept)) == {
        "LICET_SECRET_KEY",
        "LICET_API_KEY_PEPPER",
        "LICET_RECEIPT_KEY",
        "LICET_AUDIT_KEY",
        "LICET_PROVENANCE_KEY",
    }


@pytest.mark.slow
def test_the_servers_are_out_of_reach_of_other_users(launch: Launch, home: Path) -> None:
    up = launch()
    announced(up)

    listening = {
        line.laddr.ip
        for process in descendants(up)
        for line in process.net_connections("inet")
        if line.status == "LISTEN"
    }

    assert listening == {"127.0.0.1"}
    assert (home / "run" / "postgres").stat().st_mode & 0o777 == 0o700
    assert (home / "run" / "servers.json").stat().st_mode & 0o777 == 0o600
