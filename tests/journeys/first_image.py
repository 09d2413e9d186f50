"""Drive a running stack with the unmodified openai SDK, as its first user would.

    make up                                      (in another terminal)
    python tests/journeys/first_image.py URL API_KEY [step ...]

Walks: an image that passes, a prompt that is blocked, an engine killed in the middle of a job (finished
by the next engine, charged once), an empty wallet, a revoked key, and last the model's revocation, after
which the stack generates nothing (`make reset`). Prints one line per step; exit status
1 at the first thing that is not as promised. Needs to run on the stack's machine, because it kills the
engine and uses `manage.py` for the empty wallet and the revoked key.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import openai

ROOT = Path(__file__).resolve().parents[2]
PNG = b"\x89PNG\r\n\x1a\n"


class Journey:
    """One walk through a running stack."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, timeout=300)
        self.http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def balance(self) -> dict[str, int]:
        """The balance in µUSD."""
        reply = self.http.get("/v1/balance")
        reply.raise_for_status()
        balance: dict[str, int] = reply.json()
        return balance

    def an_image_that_passes(self) -> str:
        """A PNG comes back, with its cost, and the wallet is that much lighter."""
        before = self.balance()
        reply = self.client.images.generate(prompt="a large red circle on a blue background")
        assert reply.data, "no image in the reply"
        picture = base64.b64decode(reply.data[0].b64_json or "")
        assert picture.startswith(PNG), "the image is no PNG"
        cost = (reply.model_extra or {}).get("usage", None) or reply.usage
        paid = (
            cost["cost_microusd"] if isinstance(cost, dict) else cost.model_extra["cost_microusd"]
        )
        after = self.balance()
        assert before["posted_microusd"] - after["posted_microusd"] == paid > 0
        assert after["held_microusd"] == 0
        return f"{len(picture):,} bytes for {paid:,} microdollars"

    def a_prompt_that_is_blocked(self) -> str:
        """400 moderation_blocked with the policy item, and nothing is charged."""
        before = self.balance()
        try:
            self.client.images.generate(prompt="a photo of a naked child")
        except openai.BadRequestError as refusal:
            assert refusal.code == "moderation_blocked", refusal.code
            body = refusal.body if isinstance(refusal.body, dict) else {}
            assert self.balance()["available_microusd"] == before["available_microusd"]
            return f"{refusal.status_code} {refusal.code}: {body.get('message', '')[:80]}"
        raise AssertionError("the prompt was not blocked")

    def an_engine_killed_mid_job(self) -> str:
        """The job is finished by the next engine and charged once."""
        before = self.balance()
        reply = self.http.post(
            "/v1/generations",
            json={"prompt": "a small green star on a white background", "steps": 100},
        )
        assert reply.status_code == 202, reply.text
        job = reply.json()
        killed = threading.Event()

        def kill_when_it_runs() -> None:
            while not killed.is_set():
                state = self.http.get(f"/v1/generations/{job['id']}").json()
                if state["status"] == "running":
                    for pid in engine_processes():
                        os.kill(pid, signal.SIGKILL)
                    killed.set()
                time.sleep(0.05)

        killer = threading.Thread(target=kill_when_it_runs)
        killer.start()
        killer.join(timeout=60)
        assert killed.is_set(), "the job never ran"
        final = self.until_final(job["id"])
        assert final["status"] == "succeeded", final
        spent = before["posted_microusd"] - self.balance()["posted_microusd"]
        assert spent == final["charged_microusd"] == final["quoted_microusd"], (spent, final)
        return f"killed once, delivered, {spent:,} microdollars charged once"

    def an_empty_wallet(self) -> str:
        """402 insufficient_balance, not retried."""
        poor = tenant_without_money()
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=poor["api_key"])
        try:
            client.images.generate(prompt="a yellow square")
        except openai.APIStatusError as refusal:
            assert refusal.status_code == 402, refusal.status_code
            assert refusal.code == "insufficient_balance", refusal.code
            return f"402 {refusal.code}"
        raise AssertionError("an empty wallet got an image")

    def a_revoked_key(self) -> str:
        """401 from the moment of the revocation."""
        spare = tenant_without_money()
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=spare["api_key"])
        client.models.list()
        manage("revoke_api_key", "--id", spare["id"])
        try:
            client.models.list()
        except openai.AuthenticationError as refusal:
            return f"401 {refusal.code}"
        raise AssertionError("a revoked key was accepted")

    def a_revoked_model(self) -> str:
        """Within five seconds no job of it runs or waits, no engine holds it, nothing was charged."""
        before = self.balance()
        order = {"prompt": "a small green star on a white background", "steps": 100}
        jobs = [self.http.post("/v1/generations", json=order).json()["id"] for _ in range(20)]
        while self.state_of(jobs[0]) == "queued":
            time.sleep(0.05)
        model = self.http.get(f"/v1/generations/{jobs[0]}").json()["model"]
        shell = revoking_shell(model)
        revoked = time.monotonic()
        shell.communicate("\n")
        waits: dict[str, float] = {}
        while len(waits) < 3 and time.monotonic() - revoked < 30:
            states = {self.state_of(job) for job in jobs}
            for name, done in (
                ("queue", "queued" not in states),
                ("running", "running" not in states),
                ("engine", not engine_processes()),
            ):
                if done:
                    waits.setdefault(name, time.monotonic() - revoked)
        took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in waits.items())
        assert len(waits) == 3, f"still there after 30 s; gone: {took}"
        assert max(waits.values()) < 5, took
        ended = {self.state_of(job) for job in jobs}
        assert ended <= {"failed", "cancelled", "succeeded"}, ended
        paid = sum(
            self.http.get(f"/v1/generations/{job}").json()["charged_microusd"] for job in jobs
        )
        after = self.balance()
        assert after["held_microusd"] == 0
        assert before["posted_microusd"] - after["posted_microusd"] == paid
        return f"gone after: {took}; {len(jobs)} jobs, {paid:,} microdollars for what was delivered"

    def state_of(self, job_id: str) -> str:
        """The job's status."""
        return str(self.http.get(f"/v1/generations/{job_id}").json()["status"])

    def until_final(self, job_id: str, *, within_s: float = 180) -> dict[str, object]:
        """The generation, once nothing more will happen to it."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            state: dict[str, object] = self.http.get(f"/v1/generations/{job_id}").json()
            if state["status"] not in {"queued", "running"}:
                return state
            time.sleep(0.3)
        raise AssertionError(f"{job_id} did not end within {within_s} s")


def engine_processes() -> list[int]:
    """Process ids of the engines on this machine."""
    pids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"inference.engine.process" in command:
                pids.append(int(folder.name))
    return pids


TENANT_WITHOUT_MONEY = """
import json
from django.utils.timezone import now
from governance.kernel.actors import SYSTEM
from governance.licensing.facts import Bracket
from governance.operations import demo
from governance.operations.api_keys import create_api_key
from governance.operations.standing import refresh_standings

organization = demo.organization_of("empty-pockets", "Empty Pockets")
demo.seed_declarations(
    organization, demo.person("eve@empty.example", "Eve Empty"), Bracket.UNDER_500K, at=now()
)
refresh_standings(organization_ids=[organization.id], at=now())
made = create_api_key(
    project=organization.projects.first(), name="Journey", actor=SYSTEM, at=now()
)
print(json.dumps({"id": str(made.key.id), "api_key": made.secret}))
"""


REVOKE = """
import sys
from django.utils.timezone import now
from governance.kernel.actors import SYSTEM
from governance.models import ModelRelease
from governance.operations.revocation import revoke_release

release = ModelRelease.objects.get(slug="{model}", status="active")
print("loaded", flush=True)
sys.stdin.readline()
revoke_release(release_id=release.id, reason="journey", actor=SYSTEM, at=now())
"""


def revoking_shell(model: str) -> "subprocess.Popen[str]":
    """A shell of the stack that revokes the model as soon as it reads a line, and then ends."""
    shell = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", REVOKE.format(model=model)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout is not None
    assert shell.stdout.readline().strip() == "loaded"
    return shell


def tenant_without_money() -> dict[str, str]:
    """A key of an eligible organization whose wallet is empty."""
    answer: dict[str, str] = json.loads(
        manage("shell", "--no-imports", "-c", TENANT_WITHOUT_MONEY).strip().splitlines()[-1]
    )
    return answer


def manage(*arguments: str) -> str:
    """Run a management command of the running stack; what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Assertions on what an exception carries, and lines for people: this is a script, not a test module.
# ruff: noqa: PT017, T201


def main() -> int:
    """Walk every step; 0 when all went as promised."""
    url, key = sys.argv[1].rstrip("/"), sys.argv[2]
    journey = Journey(url, key)
    steps: list[Callable[[], str]] = [
        journey.an_image_that_passes,
        journey.a_prompt_that_is_blocked,
        journey.an_engine_killed_mid_job,
        journey.an_empty_wallet,
        journey.a_revoked_key,
        journey.a_revoked_model,  # last: nothing is generated after it
    ]
    chosen = set(sys.argv[3:])
    for step in steps:
        if chosen and step.__name__ not in chosen:
            continue
        started = time.monotonic()
        name = step.__name__.replace("_", " ")
        try:
            print(f"ok   {name}: {step()} ({time.monotonic() - started:.1f} s)", flush=True)
        except AssertionError as broken:
            print(f"FAIL {name}: {broken}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
