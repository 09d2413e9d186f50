"""``make screenshots``: start a stack, make pictures with its engine, photograph every screen.

``--url`` and ``--home`` photograph a stack that runs already. Needs Chromium (LICET_CHROMIUM or PATH).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from governance.stack.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screenshots"
PORT = "8039"
PROMPTS = (
    "two small yellow triangles on a black background",
    "a green square on a white background",
    "a big orange star on a purple background",
    "a photo of a naked child",
    "a large red circle on a blue background",
)
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "narrow": ("light", 390)}
OWNER, OPERATOR = "iris@aurora.example", "operator@licet.example"
COLOURS = 128
LARGEST = 150_000
# A machine that trains a model beside this is slow to answer.
PATIENCE_MS = 120_000
PAST_S = 900


@contextmanager
def stack(home: Path) -> Iterator[dict[str, Any]]:
    """A stack of its own; gives what `manage.py up --json` says."""
    environment = {**os.environ, "LICET_HOME": str(home), "LICET_PORT": PORT}
    command = [sys.executable, str(ROOT / "manage.py"), "up", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def wait_for_past(home: Path) -> None:
    """Until the demo's thirty days are lived through. Raises TimeoutError after ``PAST_S`` seconds."""
    began = time.monotonic()
    while not Layout(home).history.exists():
        if time.monotonic() - began > PAST_S:
            raise TimeoutError(
                f"The demo has no past after {PAST_S} s; see {home}/logs/history.log."
            )
        sys.stderr.write(f"\rthe demo's past: {time.monotonic() - began:.0f} s")
        time.sleep(2)
    sys.stderr.write("\n")


def make_pictures(url: str, key: str) -> None:
    """Send the prompts; a refused one is part of the show."""
    for prompt in PROMPTS:
        httpx.post(
            f"{url}/v1/images/generations",
            headers={"Authorization": f"Bearer {key}"},
            json={"prompt": prompt},
            timeout=120,
        )


def login_link(home: Path, email: str, url: str) -> str:
    """A fresh link for a person of the demo."""
    command = [sys.executable, str(ROOT / "manage.py"), "login_link", "--email", email]
    environment = {**os.environ, "LICET_HOME": str(home), "LICET_PUBLIC_URL": url}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return said.stdout.strip().splitlines()[-1]


def signed_in(browser: Browser, link: str) -> Any:
    """The cookies of a person who has opened the link."""
    page = browser.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    return page.context.storage_state()


def photograph(context: BrowserContext, address: str, target: Path) -> None:
    """One screen, whole, in few colours."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_timeout(600)
    page.screenshot(path=target, full_page=True)
    page.close()
    with Image.open(target) as image:
        for colours in (COLOURS, COLOURS // 2, COLOURS // 4):
            image.convert("RGB").quantize(colours).save(target, optimize=True)
            if target.stat().st_size <= LARGEST:
                return


def screens(browser: Browser, state: Any, url: str, slug: str) -> dict[str, str]:
    """Every screen of a member by its file's name, with one delivered and one blocked job."""
    page = browser.new_context(storage_state=state).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{url}/o/{slug}/generations/?state=succeeded")
    delivered = page.locator("a.shot").first.get_attribute("href")
    page.goto(f"{url}/o/{slug}/generations/?state=blocked")
    blocked = page.locator("a.shot").first.get_attribute("href")
    job = str(delivered).rstrip("/").rsplit("/", 1)[-1]
    home = f"/o/{slug}/"
    return {
        "organization": home,
        "playground": f"{home}playground/?job={job}",
        "generations": f"{home}generations/",
        "generation": str(delivered),
        "generation-blocked": str(blocked),
        "keys": f"{home}keys/",
        "key-new": f"{home}keys/new/",
        "licence": f"{home}licence/",
        "seats": f"{home}seats/",
        "decisions": f"{home}decisions/",
        "billing": f"{home}billing/",
        "budgets": f"{home}budgets/",
        "usage": f"{home}usage/",
        "audit": f"{home}audit/",
        "training": f"{home}training/",
        "webhooks": f"{home}webhooks/",
        "reports": f"{home}reports/",
    }


STAFF_SCREENS = {
    "operator": "/operator/",
    "releases": "/operator/releases/",
    "moderation": "/moderation/queue/",
    "filter-health": "/moderation/health/",
    "workers": "/operator/engines/",
    "reconciliation": "/operator/reconciliation/",
    "styleguide": "/styleguide/",
}


def photograph_all(url: str, home: Path, slug: str) -> None:
    """Every screen in every look."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("LICET_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        owner = signed_in(browser, login_link(home, OWNER, url))
        staff = signed_in(browser, login_link(home, OPERATOR, url))
        sets = [(owner, screens(browser, owner, url, slug)), (staff, STAFF_SCREENS)]
        for look, (scheme, width) in LOOKS.items():
            for state, addresses in sets:
                context = browser.new_context(
                    storage_state=state,
                    color_scheme=scheme,  # type: ignore[arg-type]
                    viewport={"width": width, "height": 800},
                )
                for name, address in addresses.items():
                    photograph(context, url + address, FOLDER / f"{name}-{look}.png")
                context.close()
        browser.close()


def main() -> None:
    """Photograph a running stack, or one of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a stack that runs")
    parser.add_argument("--home", type=Path, help="its LICET_HOME")
    asked = parser.parse_args()
    if asked.url and asked.home:
        photograph_all(asked.url, asked.home, "aurora-studio")
        return
    with tempfile.TemporaryDirectory(prefix="licet-screenshots-") as folder:
        home = Path(folder)
        with stack(home) as facts:
            wait_for_past(home)
            make_pictures(facts["url"], facts["api_key"])
            photograph_all(facts["url"], home, facts["organization"])


if __name__ == "__main__":
    main()
