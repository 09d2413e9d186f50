"""The unmodified openai package for JavaScript, under node, against a live server."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from governance.stack.locks import mutex
from tests.inference.live.conftest import Live, Tenant

SOURCE = Path(__file__).parent / "javascript"
NO_NODE = "no node and npm here: apt-get install nodejs npm, or install Node.js 20 or newer"
HAS_NODE = shutil.which("node") is not None and shutil.which("npm") is not None
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not HAS_NODE and os.environ.get("CI") != "true", reason=NO_NODE),
]


@pytest.fixture(scope="session")
def project() -> Path:
    """The client's folder with its packages at the exact versions of package.json, installed once."""
    assert HAS_NODE, NO_NODE
    wanted = (SOURCE / "package.json").read_text()
    folder = Path(tempfile.gettempdir()) / f"licet-javascript-{os.geteuid()}"
    folder.mkdir(exist_ok=True)
    with mutex(folder / "lock"):
        mark = folder / "installed"
        if not mark.exists() or mark.read_text() != wanted:
            (folder / "package.json").write_text(wanted)
            subprocess.run(
                [
                    "npm",
                    "install",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--no-package-lock",
                ],
                cwd=folder,
                check=True,
                timeout=500,
            )
            mark.write_text(wanted)
        shutil.copy(SOURCE / "client.mjs", folder)
    return folder


def run(project: Path, tenant: Tenant, scenario: str) -> dict[str, Any]:
    """What the client saw."""
    done = subprocess.run(
        ["node", "client.mjs", tenant.v1, tenant.key, scenario],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_images_come_back_with_their_cost(project: Path, tenant: Tenant) -> None:
    seen = run(project, tenant, "image")

    assert seen["files"] == ["PNG", "PNG"]
    assert seen["cost"] == tenant.books()["charged"] > 0


def test_partial_images_come_before_the_completed_one(project: Path, tenant: Tenant) -> None:
    seen = run(project, tenant, "stream")

    assert seen["events"] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]


def test_a_blocked_prompt_is_a_bad_request_with_its_stage(project: Path, tenant: Tenant) -> None:
    seen = run(project, tenant, "blocked")

    assert (seen["name"], seen["status"]) == ("BadRequestError", 400)
    assert (seen["code"], seen["stage"]) == ("moderation_blocked", "input")
    assert seen["requestId"]
    assert seen["calls"] == 1


def test_an_empty_wallet_is_402_and_called_once(project: Path, live: Live) -> None:
    seen = run(project, live.tenant(dollars=0), "error")

    assert (seen["status"], seen["code"], seen["calls"]) == (402, "insufficient_balance", 1)


def test_a_spending_cap_is_429_and_called_once(project: Path, live: Live) -> None:
    seen = run(project, live.tenant(monthly_limit_microusd=1), "error")

    assert (seen["name"], seen["calls"]) == ("RateLimitError", 1)
    assert seen["code"] == "project_spend_limit_exceeded"


def test_a_lost_reply_is_tried_again_and_charged_once(
    project: Path, live: Live, tenant: Tenant
) -> None:
    live.tell("faults", lost_replies=1)

    seen = run(project, tenant, "image")

    assert seen["calls"] == 2
    assert tenant.books()["jobs"] == {"succeeded": 1}
    assert tenant.books()["charged"] == seen["cost"]
