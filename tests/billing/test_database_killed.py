"""PostgreSQL itself killed with SIGKILL while money moves: what was answered is kept, nothing is half done.

A durable server of the test's own, the application's operations from another process under load, the
postmaster and every backend killed at once, the server started again on its data.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from billing.queries import credit_invariants
from billing.queries.invariants import QUESTIONS
from governance.stack.layout import Layout
from governance.stack.postgres import Postgres
from governance.stack.processes import Fate

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Says what it was answered, line by line, and goes on until its database is gone.
LOAD = """
import json, sys, threading
import django
django.setup()
from django.db import Error
from django.utils.timezone import now
from billing.kernel.pricing import Quote
from billing.models import PriceVersion
from billing.operations.credits import grant_credit
from billing.operations.admission import admit_hold
from billing.operations.holds import HoldRequest, capture_hold, void_hold
from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.kernel.money import Microdollars, usd
from governance.models import Organization, Project
from governance.operations.organizations import create_organization

run = sys.argv[1]
version = PriceVersion.objects.values_list("id", flat=True)[0]
quote = Quote(Microdollars(300), Microdollars(100), 3, version, ())
mouth = threading.Lock()

def say(*words):
    with mouth:
        print(json.dumps(words), flush=True)

def work(number):
    organization = create_organization(slug=f"killed-{run}-{number}", name="Killed", actor=SYSTEM)
    project = Project.objects.get(organization=organization).id
    grant_credit(organization_id=organization.id, amount=usd(100), kind="paid",
                 external_reference=f"{run}:{number}", actor=SYSTEM, at=now())
    say("credited", str(organization.id))
    turn = 0
    try:
        while True:
            turn += 1
            job = uuid7()
            hold = admit_hold(request=HoldRequest(
                organization_id=organization.id, project_id=project, api_key_id=None, job_id=job,
                quote=quote, idempotency_key=str(job), request_sha256="", at=now()))
            say("held", str(hold.hold_id))
            if turn % 3 == 0:
                void_hold(hold_id=hold.hold_id, reason="cancelled", at=now())
                say("voided", str(hold.hold_id))
            elif turn % 3 == 1:
                charged = capture_hold(hold_id=hold.hold_id, delivered_images=2, lease_epoch=0, at=now())
                say("captured", str(hold.hold_id), charged.amount)
    except Error:
        return

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL with fsync on, and the tables of this code."""
    with tempfile.TemporaryDirectory(prefix="licet-kill-") as folder:
        layout = Layout(Path(folder))
        layout.prepare()
        own = Postgres(layout, Fate(None))
        own.start()
        own.wait_ready()
        try:
            with psycopg.connect(own.url("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE killed")
            command = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
            subprocess.run(command, cwd=ROOT, env=environment(own), check=True)
            yield own
        finally:
            own.stop()


def environment(server: Postgres) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": server.url("killed") + "&pool=off",
        "REDIS_URL": "redis://unused",
        "DJANGO_SETTINGS_MODULE": "governance.settings",
    }


def kill(server: Postgres) -> None:
    """SIGKILL to the postmaster and to every process of its, as a machine that loses its power."""
    assert server.process is not None
    postmaster = psutil.Process(server.process.pid)
    for process in [postmaster, *postmaster.children(recursive=True)]:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    server.process.wait()


def answers_until_killed(server: Postgres, run: int, answers: int) -> list[list[object]]:
    """Let the load work, kill the server after so many answers; everything that was answered."""
    said = []
    with subprocess.Popen(
        [sys.executable, "-c", LOAD, str(run)],
        cwd=ROOT, env=environment(server), stdout=subprocess.PIPE, text=True,
    ) as load:  # fmt: skip
        assert load.stdout is not None
        for line in load.stdout:
            said.append(json.loads(line))
            if len(said) == answers:
                kill(server)
    assert load.returncode == 0
    return said


def violations(connection: psycopg.Connection) -> list[str]:
    """What check_ledger would find in the tables."""
    found = []
    for name, _count, breakers in (*QUESTIONS, *credit_invariants.QUESTIONS):
        found += [f"{name}: {row[0]}" for row in connection.execute(breakers).fetchall()]
    return found


@pytest.mark.parametrize("answers", [40, 150, 400])
def test_what_was_answered_survives_and_nothing_is_half_done(
    server: Postgres, answers: int
) -> None:
    said = answers_until_killed(server, run=answers, answers=answers)

    server.start()
    server.wait_ready()

    with psycopg.connect(server.url("killed")) as connection:
        rows = connection.execute("SELECT id::text, state, captured FROM billing_hold").fetchall()
        kept = {hold: (state, captured) for hold, state, captured in rows}
        assert violations(connection) == []
    assert len(said) >= answers
    for word, subject, *charged in said:
        if word == "held":
            assert subject in kept
        elif word == "voided":
            assert kept[str(subject)] == ("voided", 0)
        elif word == "captured":
            assert kept[str(subject)] == ("captured", charged[0])
