"""How much each portal page asks of the database, on the pages of the resolver itself."""

from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils.timezone import now

from governance.models import Organization
from governance.operations.standing import refresh_standings
from inference.benchmarks.filling import Size, fill_tables
from inference.benchmarks.portal.__main__ import MOST_QUERIES, signed_in, visit
from inference.benchmarks.portal.pages import LARGEST, ROLES, portal_pages

pytestmark = pytest.mark.django_db
# So many rows in each list that a query for each of them is above the line.
MANY = Size(organizations=30, members=600, generations=1500)


def test_no_page_asks_more_than_twenty_questions_in_any_role(
    settings: Any, organization: Organization, releases: list[UUID]
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    # The loader gives the first organization most of the jobs.
    Organization.objects.filter(id=organization.id).update(slug=LARGEST)
    fill_tables(MANY, until=now().astimezone(UTC) - timedelta(hours=1), days=20)
    # As the beat does; what is not kept is decided on the page.
    refresh_standings(organization_ids=None, at=now())
    pages = [page for page in portal_pages() if page.address]

    figures = [
        figure
        for role in ROLES
        for browser in [signed_in(role)]
        for page in pages
        if (figure := visit(browser, role, page, 1)) is not None
    ]

    assert len({figure.page for figure in figures}) > 50
    above = {
        f"{figure.page} as {figure.role}": figure.queries
        for figure in figures
        if figure.queries > MOST_QUERIES
    }
    assert above == {}
