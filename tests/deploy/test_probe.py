"""The health check that the containers run."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from governance.stack import probe


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_an_answer_of_200_is_health_and_nothing_else_is(port: int) -> None:
    assert probe.main(["http", str(port), "/healthz"]) == 0
    assert probe.main(["http", str(port), "/readyz"]) == 1


def test_a_closed_port_is_ill_and_no_traceback(port: int) -> None:
    assert probe.main(["http", "1", "/healthz"]) == 1


def test_a_schedule_that_is_no_longer_written_is_ill(tmp_path: Path) -> None:
    schedule = tmp_path / "beat-schedule.db"
    schedule.write_text("")
    asked = ["file", str(tmp_path / "beat-schedule"), "600"]
    assert probe.main(asked) == 0

    old = time.time() - 700
    os.utime(schedule, (old, old))

    assert probe.main(asked) == 1


def test_without_a_schedule_beat_is_ill(tmp_path: Path) -> None:
    assert probe.main(["file", str(tmp_path / "beat-schedule"), "600"]) == 1


def test_other_words_are_refused() -> None:
    with pytest.raises(SystemExit):
        probe.main(["tcp", "80"])


def test_it_loads_no_package() -> None:
    code = "import sys, governance.stack.probe\nprint('django' in sys.modules, 'pydantic' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
