"""Fills a database of its own, visits every page as every role; a table, then one line of JSON.

Server time is what Django's test client waits for the whole answer, in ms; the first visit does not count.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inference.benchmarks.home import Home

MOST_QUERIES, MOST_MS = 20, 150
SLOWEST_SHOWN = 5


@dataclass(frozen=True)
class Figure:
    """One page as one role; times in ms."""

    page: str
    role: str
    queries: int
    median_ms: float
    p95_ms: float
    slowest_query_ms: float
    slowest_query: str


def main() -> int:
    """Fill, visit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=500_000)
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--visits", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        home = Home(Path(folder), tenants=1)
        try:
            home.open()
            os.environ.update(home.environment() | {"LICET_LOG_LEVEL": "ERROR"})
            result = measured(asked)
        finally:
            home.close()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of a filled installation."""
    import django

    django.setup()
    from django.conf import settings

    from inference.benchmarks.filling import Size, fill, settle
    from inference.benchmarks.portal.pages import ROLES, portal_pages

    settings.ALLOWED_HOSTS = ["*"]
    size = Size(asked.organizations, asked.members, asked.generations)
    began = time.perf_counter()
    fill(size)
    settle()
    filled = time.perf_counter() - began
    pages = portal_pages()
    figures = [each for role in ROLES for each in visit_all(role, pages, asked.visits)]
    return {**asdict(size), "fill_s": round(filled), **summary(pages, figures)}


def visit_all(role: str, pages: list[Any], visits: int) -> list[Figure]:
    """Every page that this role may open."""
    browser = signed_in(role)
    found = (visit(browser, role, page, visits) for page in pages if page.address)
    return [figure for figure in found if figure is not None]


def signed_in(role: str) -> Any:
    """A browser of a person of the largest organization, or of the operator's senior reviewer."""
    from django.db import connection
    from django.test import Client

    from governance.models import User
    from inference.benchmarks.portal.pages import LARGEST

    browser = Client(raise_request_exception=False)
    if role == "operator":
        person = User.objects.create_user("operator@large.invalid", name="Olga", is_staff=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO moderation_reviewer (user_id, roles, daily_limit, blurred, active)"
                " VALUES (%s, '{senior,appeals,reviewer}', 60, true, true)",
                [person.pk],
            )
    else:
        member = User.objects.filter(
            memberships__organization__slug=LARGEST, memberships__role=role
        ).first()
        assert member is not None
        person = member
    browser.force_login(person)
    return browser


def visit(browser: Any, role: str, page: Any, visits: int) -> Figure | None:
    """The figures of a page, or None for what is no page to this role. Raises RuntimeError where it fails."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    first = browser.get(page.address)
    if first.status_code >= 500:  # noqa: PLR2004 (the server's fault)
        raise RuntimeError(f"{page.address} answers {first.status_code}")
    if first.status_code != 200:  # noqa: PLR2004 (a page was shown)
        return None
    times: list[float] = []
    asked = CaptureQueriesContext(connection)
    for _ in range(visits):
        with asked:
            began = time.perf_counter()
            answer = browser.get(page.address)
            b"".join(answer) if answer.streaming else answer.content
            times.append((time.perf_counter() - began) * 1000)
    slowest = max(asked.captured_queries, key=lambda each: float(each["time"]), default=None)
    return Figure(
        page=page.name,
        role=role,
        queries=len(asked),
        median_ms=round(statistics.median(times), 1),
        p95_ms=round(sorted(times)[round(0.95 * (len(times) - 1))], 1),
        slowest_query_ms=float(slowest["time"]) * 1000 if slowest else 0.0,
        slowest_query=str(slowest["sql"]) if slowest else "",
    )


def summary(pages: list[Any], figures: list[Figure]) -> dict[str, Any]:
    """The table is printed; what misses the goals, the worst, and what was never seen are returned."""
    for each in sorted(figures, key=lambda figure: figure.median_ms):
        sys.stdout.write(
            f"{each.page:28} {each.role:9} {each.queries:3} queries"
            f" {each.median_ms:8.1f} ms median {each.p95_ms:8.1f} ms p95\n"
        )
    slow = [each for each in figures if each.median_ms > MOST_MS]
    for each in slow:
        text = f"{each.page}: {each.slowest_query_ms:.0f} ms {' '.join(each.slowest_query.split())}"
        sys.stderr.write(text[:700] + "\n")
    worst = sorted(figures, key=lambda figure: -figure.median_ms)[:SLOWEST_SHOWN]
    seen = {each.page for each in figures}
    return {
        "pages": len(seen),
        "visits_of_role_and_page": len(figures),
        "over_queries": sorted({each.page for each in figures if each.queries > MOST_QUERIES}),
        "over_150ms": sorted({each.page for each in slow}),
        "worst": [f"{each.page} {each.role} {each.median_ms} ms" for each in worst],
        "no_page_by_get": sorted({page.name for page in pages if page.address} - seen),
        "blanks_not_filled": sorted({page.name for page in pages if page.address is None}),
    }


if __name__ == "__main__":
    sys.exit(main())
