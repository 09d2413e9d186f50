"""Comparing the journal with Stripe, jobs, images, decisions and roll-ups. Nothing corrects itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from billing.gateways.protocol import Gateway, Settlement
from billing.models import Difference, ProviderLine, ReconciliationRun
from billing.operations.resolution import evidence_gaps, job_states
from billing.queries.invariants import ledger_findings

# Stripe's lines may appear late: the window overlaps the last one by so much.
OVERLAP = timedelta(days=3)
# The provider may book a payment a little before or after we hear of it.
GRACE = timedelta(hours=1)

# Payments, refunds and disputes as the journal has them against the provider's lines. Kind, subject,
# what they say. Signed as the provider signs: money to the host is positive.
UNMATCHED = """
WITH ours AS (
    SELECT CASE t.kind WHEN 'refund' THEN coalesce(r.gateway_id, 'refund ' || r.id)
                       ELSE t.external_reference END AS source,
           CASE WHEN t.kind IN ('dispute_withdrawn', 'dispute_reinstated') THEN 'dispute'
                ELSE 'payment' END AS kind,
           sum(e.amount) AS amount, min(t.booked_at) AS booked_at
    FROM billing_ledger_transaction t
    JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
    LEFT JOIN billing_refund r ON t.kind IN ('refund', 'refund_failed')
         AND r.id::text = t.external_reference
    WHERE t.kind IN ('refund', 'refund_failed', 'dispute_withdrawn', 'dispute_reinstated')
       OR (t.kind = 'credit_paid' AND EXISTS (SELECT 1 FROM billing_top_up u
                                              WHERE u.payment = t.external_reference))
    GROUP BY 1, 2
), theirs AS (
    SELECT source, sum(amount) AS amount, min(created_at) AS created_at
    FROM billing_provider_line
    WHERE kind IN ('charge', 'payment', 'refund', 'payment_refund', 'adjustment',
                   'refund_failure', 'payment_failure_refund')
    GROUP BY source
)
SELECT coalesce(ours.source, theirs.source),
    'journal ' || coalesce(ours.amount, 0) || ', provider ' || coalesce(theirs.amount, 0)
FROM ours FULL JOIN theirs USING (source)
WHERE coalesce(ours.amount, 0) <> coalesce(theirs.amount, 0)
  AND coalesce(ours.booked_at, theirs.created_at) < %(before)s
  AND coalesce(ours.booked_at, theirs.created_at) >= %(since)s
"""

ROLLUPS = """
SELECT organization_id || ' on ' || day, 'journal ' || coalesce(j.total, 0)
    || ', roll-up ' || coalesce(r.total, 0)
FROM (SELECT t.organization_id, (t.booked_at AT TIME ZONE 'UTC')::date AS day, -sum(e.amount) AS total
      FROM billing_ledger_transaction t
      JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
      WHERE t.kind = 'capture' AND t.booked_at < %(today)s GROUP BY 1, 2) j
FULL JOIN (SELECT organization_id, day, sum(charged) AS total FROM billing_usage_rollup
           WHERE day < %(today)s::date GROUP BY 1, 2) r USING (organization_id, day)
WHERE coalesce(j.total, 0) <> coalesce(r.total, 0)
"""

CAPTURED_JOBS = """
SELECT job_id FROM billing_hold
WHERE state = 'captured' AND resolved_at >= %s AND resolved_at < %s
"""


@dataclass(frozen=True)
class Found:
    """One difference: what kind, about what, in figures."""

    kind: str
    subject: str
    detail: str


def reconcile(*, gateway: Gateway, at: datetime, days: int = 30) -> ReconciliationRun:
    """Compare everything of the last ``days``; each difference becomes or stays a row with an age.

    The provider is asked outside any transaction. Raises GatewayUnavailable.
    """
    since = at - timedelta(days=days)
    lines = list(gateway.settlements(since=since - OVERLAP, until=at))
    keep_provider_lines(lines)
    found, checked = [], len(lines)
    for finding in ledger_findings(job_states):
        checked += finding.checked
        found += [Found(f"ledger: {finding.name}", text[:200], text) for text in finding.violations]
    found += differences_with_provider(since, at)
    found += differences_of_rollups(at)
    jobs, gaps = differences_of_evidence(since, at)
    checked += jobs
    return keep(found + gaps, checked=checked, began=at, facts=fees_of(lines))


def keep_provider_lines(lines: list[Settlement]) -> None:
    """The provider's ledger as we saw it; lines never change there."""
    ProviderLine.objects.bulk_create(
        (
            ProviderLine(
                id=line.id,
                kind=line.kind,
                source=line.source,
                amount=line.amount,
                fee=line.fee,
                created_at=line.created_at,
            )
            for line in lines
        ),
        ignore_conflicts=True,
    )


def fees_of(lines: list[Settlement]) -> dict[str, int]:
    """What the provider kept, µUSD."""
    return {"provider_lines": len(lines), "fees_microusd": sum(line.fee for line in lines)}


def differences_with_provider(since: datetime, at: datetime) -> Iterator[Found]:
    """Payments, refunds and disputes on one side only, or with another amount."""
    with connection.cursor() as cursor:
        cursor.execute(UNMATCHED, {"before": at - GRACE, "since": since})
        for source, detail in cursor.fetchall():
            yield Found("payment provider", source, detail)


def differences_of_rollups(at: datetime) -> Iterator[Found]:
    """Finished days whose roll-up is not what the journal charged."""
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(ROLLUPS, {"today": today})
        for subject, detail in cursor.fetchall():
            yield Found("usage roll-up", subject, detail)


def differences_of_evidence(since: datetime, at: datetime) -> tuple[int, list[Found]]:
    """Charged jobs that lack what other apps must have of them, such as a released decision."""
    with connection.cursor() as cursor:
        cursor.execute(CAPTURED_JOBS, [since, at - GRACE])
        jobs = [job for (job,) in cursor.fetchall()]
    return len(jobs), [
        Found(f"evidence: {name}", str(job), f"the charged job {job} has no {name}")
        for name, lacking in evidence_gaps(jobs).items()
        for job in lacking
    ]


@transaction.atomic
def keep(
    found: list[Found], *, checked: int, began: datetime, facts: dict[str, int]
) -> ReconciliationRun:
    """Open new differences, touch the known ones, end those that are gone. Nothing is corrected."""
    Difference.objects.bulk_create(
        (
            Difference(
                kind=one.kind,
                subject=one.subject,
                detail=one.detail,
                first_seen_at=began,
                last_seen_at=began,
            )
            for one in found
        ),
        ignore_conflicts=True,
    )
    for one in found:
        Difference.objects.filter(kind=one.kind, subject=one.subject, gone_at=None).update(
            last_seen_at=began, detail=one.detail
        )
    Difference.objects.filter(gone_at=None, last_seen_at__lt=began).update(gone_at=began)
    return ReconciliationRun.objects.create(
        started_at=began,
        finished_at=began,
        checked=checked,
        differences=len(found),
        facts=facts,
    )
