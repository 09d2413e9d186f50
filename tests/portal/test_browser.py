"""Every page in a real Chromium: WCAG 2.2 AA by axe, no console error, nothing wider than the screen."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.apps import apps
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from billing.models import PriceVersion
from governance.models import Organization, User
from inference.models import Generation
from moderation.operations.screening import PromptBlocked

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
OVERTAKEN = ("htmx:sendAbort,", "htmx:afterRequest,")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
ORGANIZATION_PAGES = (
    "", "generations/", "generations/?state=failed", "generations/{job}/", "generations/{blocked}/",
    "playground/", "playground/?job={job}", "keys/", "keys/new/", "audit/",
)  # fmt: skip


@pytest.fixture(autouse=True)
def prices(transactional_db: None) -> None:
    """The first price list, which the flush after another test took away."""
    if not PriceVersion.objects.exists():
        first = import_module("billing.migrations.0002_ledger_rules_and_prices")
        first.publish_first_list(apps, None)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    # Playwright's sync interface runs a loop in this thread; Django takes that for async code.
    patch = pytest.MonkeyPatch()
    patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        engine = playwright.chromium
        arguments = ["--no-sandbox", "--disable-gpu"]
        started = engine.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()
    patch.undo()


@pytest.fixture
def as_person(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Opens a browser in which the person is signed in; fails the test on any console error."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_as(user: User | None, *, scheme: str = "light", width: int = 1280) -> Page:
        context = browser.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 800},
            base_url=live_server.url,
        )
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if is_a_fault(said) else 0)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert complaints == []


def is_a_fault(said: ConsoleMessage) -> bool:
    """Whether a console line tells of something broken.

    htmx also writes an error line for each question that newer words or the next page overtook. A question
    that really failed says so by its own name, htmx:sendError or htmx:responseError.
    """
    return said.type == "error" and not said.text.startswith(OVERTAKEN)


def violations(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    return [
        f"{page.url} {rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def is_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.fixture
def blocked(submit: Callable[..., Generation]) -> Generation:
    with pytest.raises(PromptBlocked):
        submit("a naked child")
    return Generation.objects.filter(state="blocked").latest("id")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
class TestEveryPage:
    def test_of_an_organization_is_accessible(
        self,
        scheme: str,
        width: int,
        as_person: Callable[..., Page],
        owner: User,
        organization: Organization,
        delivered: Generation,
        blocked: Generation,
    ) -> None:
        page = as_person(owner, scheme=scheme, width=width)
        found = []

        for path in ORGANIZATION_PAGES:
            place = path.format(job=delivered.id, blocked=blocked.id)
            page.goto(f"/o/{organization.slug}/{place}")
            found += violations(page)
            assert not is_wider_than_the_screen(page), page.url

        assert found == []

    def test_of_an_empty_organization_is_accessible(
        self,
        scheme: str,
        width: int,
        as_person: Callable[..., Page],
        owner: User,
        organization: Organization,
    ) -> None:
        page = as_person(owner, scheme=scheme, width=width)
        found = []

        for path in ("", "generations/", "keys/", "playground/", "audit/"):
            page.goto(f"/o/{organization.slug}/{path}")
            found += violations(page)

        assert found == []

    def test_of_the_operator_is_accessible(
        self,
        scheme: str,
        width: int,
        as_person: Callable[..., Page],
        operator: User,
        organization: Organization,
    ) -> None:
        page = as_person(operator, scheme=scheme, width=width)
        found = []

        for path in ("/operator/", "/operator/audit/", "/styleguide/", "/search/?q=a"):
            page.goto(path)
            found += violations(page)
            assert not is_wider_than_the_screen(page), page.url

        assert found == []

    def test_before_the_login_is_accessible(
        self, scheme: str, width: int, as_person: Callable[..., Page]
    ) -> None:
        page = as_person(None, scheme=scheme, width=width)

        page.goto("/login/")

        assert violations(page) == []


class TestBehaviour:
    def test_the_palette_goes_where_it_is_told_however_fast_one_types(
        self, as_person: Callable[..., Page], owner: User, organization: Organization
    ) -> None:
        page = as_person(owner)
        page.goto(f"/o/{organization.slug}/")

        page.keyboard.press("Control+k")
        page.keyboard.type("api")
        page.keyboard.press("Enter")
        page.wait_for_url("**/keys/")

        assert page.locator("h1").inner_text() == "API keys"

    def test_a_new_key_works_at_once(
        self, as_person: Callable[..., Page], owner: User, organization: Organization, release: Any
    ) -> None:
        page = as_person(owner)
        page.goto(f"/o/{organization.slug}/keys/new/")
        page.get_by_label("Name").fill("Website")
        page.get_by_role("button", name="Make the key").click()

        page.get_by_role("button", name="Send a test request").click()
        page.locator("#tried", has_text="It works: 200").wait_for()

        assert page.locator("#secret").inner_text().startswith("lct_live_")

    def test_the_chosen_theme_stays(
        self, as_person: Callable[..., Page], owner: User, organization: Organization
    ) -> None:
        page = as_person(owner)
        page.goto(f"/o/{organization.slug}/")
        page.locator(".menu summary").click()
        page.get_by_role("button", name="Dark").click()

        page.goto(f"/o/{organization.slug}/keys/")

        assert page.evaluate("document.documentElement.dataset.theme") == "dark"

    def test_reading_needs_no_javascript(
        self, browser: Browser, live_server: Any, as_person: Callable[..., Page]
    ) -> None:
        context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
        page = context.new_page()
        page.goto("/login/")

        assert page.locator("h1").inner_text() == "Sign in"
        context.close()
