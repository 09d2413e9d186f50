"""The rows that the benchmarks are measured on fit the tables and agree with each other."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils.timezone import now

from billing.operations.rollups import roll_up_day
from governance.models import Organization
from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.reports.making import write_report
from inference.benchmarks.filling import PARTS, Size, fill_tables
from inference.models import Generation

pytestmark = pytest.mark.django_db
SIZE = Size(organizations=5, members=20, generations=1000, audited_percent=100)


@pytest.fixture
def filled(organization: Organization, releases: list[UUID]) -> datetime:
    """A thousand jobs of last month; returns the month's end."""
    until = now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    fill_tables(SIZE, until=until, days=20)
    return until


def test_every_part_writes_rows(filled: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM moderation_verdict")
        verdicts = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM billing_hold")
        holds = cursor.fetchone()

    assert len(PARTS) == 7
    assert Generation.objects.count() == holds[0] == SIZE.generations
    assert verdicts[0] > 2 * SIZE.generations


def test_the_usage_of_a_day_is_made_of_them(filled: datetime) -> None:
    assert roll_up_day(day=(filled - timedelta(days=3)).date(), at=now()) > 0


def test_a_report_finds_no_difference_between_log_and_records(filled: datetime) -> None:
    sequence_entries()
    publish_checkpoint(at=now())
    target = io.BytesIO()

    write_report(None, f"{filled - timedelta(days=1):%Y-%m}", target, at=now())

    report = json.loads(zipfile.ZipFile(target).read("report.json"))
    assert [check for check in report["reconciliation"] if check["differences"]] == []
    assert report["figures"]["generations"]["asked"] == SIZE.generations
