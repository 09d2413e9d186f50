"""Closing a month: once per organization, when nothing that belongs to it can still arrive."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from billing.kernel.statements import StatementLine, chained_hash, statement_body
from billing.models import LedgerTransaction, Statement
from billing.operations.lots import lock_wallet
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from governance.models import ApiKey, Organization, Project
from governance.operations import audit


class StatementNotDue(DomainError):
    """The period has not ended, or something that began in it is still being written."""

    code = "statement_not_due"
    title = "The statement cannot be closed yet"
    status = 409
    retryable = True


# The journal's time is the start of the transaction that books. When none is left that began in the
# period, and new ones begin after it, the period is complete.
STRAGGLERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < %s
    AND backend_type = 'client backend'
"""

SINGLE = """
SELECT t.kind, e.amount, t.event_at, t.external_reference
FROM billing_ledger_entry e JOIN billing_ledger_transaction t ON t.id = e.transaction_id
WHERE t.organization_id = %(organization)s AND e.account = 'wallet' AND t.kind <> 'capture'
  AND t.booked_at >= %(since)s AND t.booked_at < %(until)s
ORDER BY t.booked_at, t.id
"""

DELIVERED = """
SELECT h.project_id, h.api_key_id, coalesce(h.quote #>> '{priced,release}', ''),
    coalesce((h.quote #>> '{priced,width}') || ' x ' || (h.quote #>> '{priced,height}'), ''),
    h.price_version_id, count(*), sum(h.captured / h.per_image), sum(e.amount)
FROM billing_ledger_transaction t
JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
JOIN billing_hold h ON h.id = t.external_reference::uuid
WHERE t.organization_id = %(organization)s AND t.kind = 'capture'
  AND t.booked_at >= %(since)s AND t.booked_at < %(until)s
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""


@transaction.atomic
def close_statement(*, organization_id: UUID, ends_at: datetime, at: datetime) -> Statement | None:
    """Close the period that ends at ``ends_at``; None when it is closed already.

    It opens where the one before closed. A booking that arrives later has a later time and so
    belongs to the open period. Raises StatementNotDue; try again.
    """
    lock_wallet(organization_id)
    before = Statement.objects.filter(organization_id=organization_id).order_by("-number").first()
    if before is not None and before.ends_at >= ends_at:
        return None
    require_complete(ends_at)
    since = before.ends_at if before else beginning_of(organization_id, ends_at)
    number = before.number + 1 if before else 1
    organization = Organization.objects.get(id=organization_id)
    body = statement_body(
        organization={"id": str(organization.id), "name": organization.name},
        number=number,
        period=(since.isoformat(), ends_at.isoformat()),
        opening=before.closing if before else 0,
        lines=lines_of_period(organization_id, since, ends_at),
    )
    previous = before.sha256 if before else ""
    statement = Statement.objects.create(
        organization_id=organization_id,
        number=number,
        starts_at=since,
        ends_at=ends_at,
        opening=body["opening_microusd"],
        closing=body["closing_microusd"],
        body=body,
        previous_sha256=previous,
        sha256=chained_hash(body, previous),
        closed_at=at,
    )
    audit.record(
        act="statement.closed",
        actor=SYSTEM,
        organization_id=organization_id,
        subject_kind="statement",
        subject_id=statement.id,
        facts={"number": number, "sha256": statement.sha256},
    )
    return statement


def require_complete(ends_at: datetime) -> None:
    """Nothing that began before ``ends_at`` is still being written. Raises StatementNotDue."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() >= %s", [ends_at])
        row = cursor.fetchone()
        if not row or not row[0]:
            raise StatementNotDue("The period has not ended.")
        cursor.execute(STRAGGLERS, [ends_at])
        row = cursor.fetchone()
    if row and row[0]:
        raise StatementNotDue(f"{row[0]} transactions that began in the period are not finished.")


def beginning_of(organization_id: UUID, ends_at: datetime) -> datetime:
    """The first of the month of the first booking; an organization without any begins at the end."""
    first = (
        LedgerTransaction.objects.filter(organization_id=organization_id, booked_at__lt=ends_at)
        .order_by("booked_at")
        .values_list("booked_at", flat=True)
        .first()
    )
    return month_of(first) if first else ends_at


def month_of(at: datetime) -> datetime:
    """Midnight UTC of the first of the month."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def lines_of_period(organization_id: UUID, since: datetime, until: datetime) -> list[StatementLine]:
    """Every booking of the wallet, charges summed by project, key, model, size and price list."""
    values: dict[str, Any] = {"organization": organization_id, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(SINGLE, values)
        lines = [
            StatementLine(kind, amount, 0, 0, at=event_at.isoformat(), reference=reference)
            for kind, amount, event_at, reference in cursor.fetchall()
        ]
        cursor.execute(DELIVERED, values)
        rows = cursor.fetchall()
    projects = dict(Project.objects.filter(id__in={r[0] for r in rows}).values_list("id", "name"))
    keys = dict(ApiKey.objects.filter(id__in={r[1] for r in rows}).values_list("id", "name"))
    return lines + [delivered_line(row, projects, keys) for row in rows]


def delivered_line(row: Any, projects: dict[UUID, str], keys: dict[UUID, str]) -> StatementLine:
    """The images of one project, key, model, size and price list."""
    project, key, model, size, price_version, jobs, images, amount = row
    return StatementLine(
        kind="capture",
        amount=int(amount),
        jobs=jobs,
        images=int(images),
        project=projects.get(project, ""),
        key=keys.get(key, ""),
        model=model,
        size=size,
        price_version=str(price_version),
    )


def close_due_statements(*, at: datetime) -> int:
    """Close last month for every organization that has a wallet; returns how many. Repeatable."""
    ends_at = month_of(at)
    closed = 0
    due = LedgerTransaction.objects.filter(organization_id__isnull=False, booked_at__lt=ends_at)
    for organization_id in due.values_list("organization_id", flat=True).distinct():
        if close_statement(organization_id=organization_id, ends_at=ends_at, at=at):
            closed += 1
    return closed
