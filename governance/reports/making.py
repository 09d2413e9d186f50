"""From a queued report to a bundle in the store."""

import hashlib
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import UUID

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction

from governance.kernel.errors import DomainError
from governance.models import AuditCheckpoint, ComplianceReport, Organization, ReportState
from governance.operations.compliance_reports import note_failure, note_progress
from governance.reports.assembly import Report, make_report
from governance.reports.bundle import write_bundle
from governance.reports.period import Period, closing_checkpoint, period_of

# Told the percentage and the step in words.
Note = Callable[[int, str], None]
BLOCK = 1 << 20
# Shares of the whole that a reader sees passing.
COUNTED, LAST = 30, 98


def build_report(*, report_id: UUID, at: datetime) -> ComplianceReport:
    """Make the bundle of a queued or failed report and keep it; a done one is left as it is.

    A refusal is kept in the row. Safe to repeat: the bytes of a closed period are the same.
    """
    row = ComplianceReport.objects.select_related("organization").get(id=report_id)
    if row.state == ReportState.DONE:
        return row
    try:
        with tempfile.TemporaryFile() as target:
            report = write_report(
                row.organization, row.period, target, at=at, note=lambda percent, step: note_progress(
                    report_id=row.id, percent=percent, step=step
                ),
            )  # fmt: skip
            _keep(row, report, target, at)
    except DomainError as refusal:
        note_failure(report_id=row.id, error=refusal.detail, at=at)
        row.refresh_from_db()
    return row


def write_report(
    organization: Organization | None,
    label: str,
    target: IO[bytes],
    *,
    at: datetime,
    note: Note = lambda _percent, _step: None,
) -> Report:
    """Write the bundle of one period to ``target``. Raises InvalidRequest for what is no period."""
    period = period_of(label, at=at)
    note(5, "Signing the log")
    checkpoint = closing_checkpoint(period, at=at)
    note(10, "Counting")
    report = _read_in_one_snapshot(organization, period, checkpoint)
    note(COUNTED, "Entries and proofs")
    share = LAST - COUNTED

    def passed(done: int, whole: int) -> None:
        note(COUNTED + share * min(done, whole) // max(whole, 1), f"{done:,} of {whole:,} entries")

    write_bundle(report, target, progress=passed)
    return report


@transaction.atomic
def _read_in_one_snapshot(
    organization: Organization | None, period: Period, checkpoint: AuditCheckpoint
) -> Report:
    with connection.cursor() as cursor:
        if not connection.savepoint_ids:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '256MB'")
    return make_report(organization=organization, period=period, checkpoint=checkpoint)


def _keep(row: ComplianceReport, report: Report, target: IO[bytes], at: datetime) -> None:
    digest = hashlib.sha256()
    target.seek(0)
    for block in iter(lambda: target.read(BLOCK), b""):
        digest.update(block)
    row.size_bytes = target.tell()
    target.seek(0)
    name = f"reports/{row.id}.zip"
    if default_storage.exists(name):
        default_storage.delete(name)
    row.blob = default_storage.save(name, File(target))
    row.sha256 = digest.hexdigest()
    row.result = report.document["status"]["result"]
    row.sentence = report.document["status"]["sentence"]
    row.closed = report.period.closed
    row.state, row.progress, row.step, row.error = ReportState.DONE, 100, "", ""
    row.finished_at = at
    row.save()


def bundle_name(row: ComplianceReport) -> Path:
    """How the file is called on the reader's disk."""
    slug = row.organization.slug if row.organization else "deployment"
    return Path(f"compliance-{slug}-{row.period}.zip")
