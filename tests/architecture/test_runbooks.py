"""Every alert has a page with the same three questions, and every page that is named exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
COMMAND = re.compile(r"manage\.py ([a-z_]+)")


def test_each_page_is_in_the_list_of_alerts():
    listed = set(re.findall(r"\(([a-z-]+\.md)\)", (RUNBOOKS / "README.md").read_text()))

    assert listed == {path.name for path in PAGES}
    assert len(PAGES) == 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_how_to_see_it_what_to_do_and_when_it_is_over(page):
    headings = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)

    assert headings == ["How to see it", "What to do", "How to know it is over"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_exists(page):
    from django.core.management import get_commands

    known = set(get_commands())
    assert set(COMMAND.findall(page.read_text())) <= known


def test_every_page_that_the_doctor_names_exists():
    source = [path.read_text() for path in ROOT.glob("*/operations/examining*.py")]
    named = {name for text in source for name in re.findall(r"docs/runbooks/([a-z-]+\.md)", text)}

    assert named
    assert all((RUNBOOKS / name).is_file() for name in named)
