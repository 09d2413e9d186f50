"""Moderation's pages in a real Chromium: axe, the keyboard, nothing wider than the screen."""

import os
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils.timezone import now

from governance.kernel.ids import uuid7
from moderation.models import ReleasedMark, ReviewCase
from moderation.operations.appeals import report_image
from moderation.operations.cases import case_for_decision
from moderation.operations.released_marks import record_released_images
from moderation.operations.screening import PromptHeld, record_prompt_decision
from moderation.queries import policies
from tests.moderation.conftest import KEY, decision, person, screened
from tests.moderation.test_provenance import encoder, released, scene
from tests.moderation.test_verification import again as saved_again
from tests.portal.test_browser import as_person, browser, violations  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ALL = ("reviewer", "senior", "appeals", "child_safety")
PAGES = (
    "moderation-queue",
    "moderation-reports",
    "moderation-health",
    "moderation-policies",
    "moderation-provenance",
)
# A folder for looking at the pages; empty: no pictures are kept.
SHOTS = os.environ.get("LICET_TEST_SHOTS", "")


def looked_at(page, name):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    assert violations(page) == []


@pytest.fixture(scope="module", autouse=True)
def beside_playwright():
    """Playwright's sync interface runs a loop in this thread; Django takes that for async code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def full(gate, organization):
    """A house with something in every list."""
    policies.forget()
    for item in ("7", "3", "1"):
        case_for_decision(decision(item=item, outcome="review", at=now()))
    job = uuid7()
    with pytest.raises(PromptHeld) as held:
        screened("a doubtful secret", job, organization.id)
    record_prompt_decision(
        held.value, job_id=job, organization_id=organization.id, actor=KEY, at=now()
    )
    shown = decision(stage="output", outcome="allow", at=now())
    report_image(
        job_id=shown.job_id,
        index=0,
        sha256="a" * 64,
        organization_id=shown.organization_id,
        item="2",
        statement="That is me, and I did not agree.",
        contact="",
        actor=KEY,
        at=now(),
    )
    return held.value.decision_id


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_operators_pages_are_accessible(full, as_person, operator, scheme, width):  # noqa: F811
    page = as_person(operator, scheme=scheme, width=width)
    for name in PAGES:
        page.goto(reverse(name))
        looked_at(page, f"{name}-{scheme}-{width}")


def test_a_case_is_decided_by_the_keyboard(full, as_person):  # noqa: F811
    page = as_person(person("rita", roles=("reviewer",)))
    page.goto(reverse("moderation-queue"))
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.tagName") == "A"
    page.get_by_role("button", name="Take the next case").click()
    looked_at(page, "case")

    page.keyboard.press("o")
    page.keyboard.type("It is a toy.")
    page.get_by_role("button", name="Decide").click()

    assert page.get_by_text("The case is decided.").is_visible()
    assert ReviewCase.objects.filter(result="overturn").count() == 1


def test_a_prompt_is_blurred_until_it_is_asked_for(full, as_person):  # noqa: F811
    case = ReviewCase.objects.get(decision_id=full)
    ReviewCase.objects.filter(id=case.id).update(severity=100)
    page = as_person(person("rita", roles=("reviewer",)))
    page.goto(reverse("moderation-queue"))
    page.get_by_role("button", name="Take the next case").click()
    page.get_by_label("Why do you open the prompt?").fill("to decide the case")
    page.get_by_role("button", name="Show the prompt").click()
    looked_at(page, "revealed")
    blurred = "getComputedStyle(document.querySelector('[data-veil]')).filter"

    assert "blur" in page.evaluate(blurred)
    page.keyboard.press("v")
    assert page.evaluate(blurred) == "none"


def test_a_tenants_pages_are_accessible(full, as_person, organization, owner):  # noqa: F811
    page = as_person(owner)
    for name, args in (
        ("moderation-decisions", [organization.slug]),
        ("moderation-decision", [organization.slug, full]),
    ):
        page.goto(reverse(name, args=args))
        looked_at(page, name)
    page.get_by_label("Why should it be allowed?").fill("It is a toy.")
    page.get_by_role("button", name="File the appeal").click()

    assert page.get_by_text("Your appeal is filed.").is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_anybody_drops_a_picture_and_reads_where_it_comes_from(
    gate,
    organization,
    as_person,  # noqa: F811
    owner,
    scheme,
    width,
    tmp_path,
):
    image = released(scene(128, seed=5))
    record_released_images(receipts=[image.receipt], organization_id=organization.id, at=now())
    whole, again, foreign = (tmp_path / name for name in ("whole.png", "again.jpg", "foreign.png"))
    whole.write_bytes(image.data)
    again.write_bytes(saved_again(image.data, quality=80))
    foreign.write_bytes(encoder("PNG")(scene(128, seed=8)))
    page = as_person(owner, scheme=scheme, width=width)
    page.goto(reverse("verify"))
    looked_at(page, f"verify-{scheme}-{width}")

    for file, words in (
        (whole, "Made here, unaltered"),
        (again, "Made here, then changed"),
        (foreign, "Not known here"),
    ):
        page.set_input_files("#picture", str(file))
        page.get_by_text(words).wait_for(timeout=60_000)
        looked_at(page, f"verify-{file.stem}-{scheme}-{width}")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_somebody_without_account_or_javascript_reports_an_image_and_reads_its_state(
    gate,
    organization,
    as_person,  # noqa: F811
    browser,  # noqa: F811
    live_server,
    scheme,
    width,
    tmp_path,
):
    image = released(scene(128, seed=5))
    record_released_images(receipts=[image.receipt], organization_id=organization.id, at=now())
    mark = ReleasedMark.objects.get()
    decision(
        id=mark.decision_id, stage="output", outcome="allow", job_id=mark.job_id,
        organization_id=organization.id, at=now(),
    )  # fmt: skip
    file = tmp_path / "found.jpg"
    file.write_bytes(saved_again(image.data, quality=80))
    scripted = as_person(None, scheme=scheme, width=width)
    scripted.goto(reverse("public-report"))
    looked_at(scripted, f"public-report-{scheme}-{width}")

    page = browser.new_page(base_url=live_server.url, java_script_enabled=False)
    page.goto(reverse("public-report"))
    page.get_by_label("The picture").set_input_files(str(file))
    page.get_by_label("What is wrong with it?").select_option("2")
    page.get_by_label("I am shown in it", exact=True).check()
    page.get_by_label("In your own words").fill("That is me.")
    page.get_by_role("button", name="Send the report").click()

    assert page.get_by_text("A person will look at it.").is_visible()
    scripted.goto(page.url)
    looked_at(scripted, f"public-report-state-{scheme}-{width}")
    page.close()
