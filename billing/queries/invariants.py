"""What must always hold of the ledger, as questions whose answers are the rows that break it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from billing.models import Hold, HoldState
from billing.queries import credit_invariants

BATCH = 2_000
LookUp = Callable[[Sequence[UUID]], Mapping[UUID, tuple[str, bool]]]


@dataclass(frozen=True)
class Finding:
    """One invariant: how many rows were looked at, and what breaks it."""

    name: str
    checked: int
    violations: tuple[str, ...]


# Each question: its name, how many rows it looks at, and the rows that break it.
QUESTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "the legs of every transaction sum to zero",
        "SELECT count(*) FROM billing_ledger_transaction",
        """SELECT t.id || ' sums to ' || coalesce(sum(e.amount), 0) || ' over ' || count(e.id) || ' legs'
           FROM billing_ledger_transaction t LEFT JOIN billing_ledger_entry e ON e.transaction_id = t.id
           GROUP BY t.id HAVING coalesce(sum(e.amount), 0) <> 0 OR count(e.id) < 2""",
    ),
    (
        "all entries sum to zero",
        "SELECT count(*) FROM billing_ledger_entry",
        """SELECT 'the journal sums to ' || sum(amount) FROM billing_ledger_entry
           HAVING sum(amount) <> 0""",
    ),
    (
        "a wallet's posted amount is the sum of its entries",
        "SELECT count(*) FROM billing_wallet",
        """SELECT coalesce(w.organization_id, e.organization_id) || ' posted ' || coalesce(w.posted, 0)
                  || ', entries ' || coalesce(e.total, 0)
           FROM billing_wallet w
           FULL JOIN (SELECT organization_id, sum(amount) AS total FROM billing_ledger_entry
                      WHERE account = 'wallet' GROUP BY organization_id) e USING (organization_id)
           WHERE coalesce(w.posted, 0) <> coalesce(e.total, 0)""",
    ),
    (
        "a wallet's held amount is the sum of its open holds",
        "SELECT count(*) FROM billing_wallet",
        """SELECT coalesce(w.organization_id, h.organization_id) || ' held ' || coalesce(w.held, 0)
                  || ', open holds ' || coalesce(h.total, 0)
           FROM billing_wallet w
           FULL JOIN (SELECT organization_id, sum(amount) AS total FROM billing_hold
                      WHERE state = 'open' GROUP BY organization_id) h USING (organization_id)
           WHERE coalesce(w.held, 0) <> coalesce(h.total, 0)""",
    ),
    (
        "a captured hold has one journal transaction of its amount, any other hold none",
        "SELECT count(*) FROM billing_hold",
        """SELECT h.id || ' is ' || h.state || ' with ' || h.captured || ', journal ' || coalesce(j.total, 0)
           FROM billing_hold h
           FULL JOIN (SELECT t.external_reference::uuid AS id, sum(e.amount) AS total
                      FROM billing_ledger_transaction t
                      JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'revenue'
                      WHERE t.kind = 'capture' GROUP BY t.external_reference) j USING (id)
           WHERE coalesce(h.captured, 0) <> coalesce(j.total, 0)""",
    ),
    (
        "a charge is the hold's own price for whole images, within the hold",
        "SELECT count(*) FROM billing_hold WHERE state = 'captured'",
        """SELECT id || ' captured ' || captured || ' of ' || amount || ' at ' || per_image
           FROM billing_hold WHERE state = 'captured' AND (captured > amount OR
               (per_image = 0 AND captured <> 0) OR (per_image > 0 AND captured % per_image <> 0))""",
    ),
    (
        "budget windows are their open and captured holds",
        "SELECT count(*) FROM billing_budget_window",
        """SELECT w.budget_id || ' at ' || w.window_start || ': held ' || w.held || ', used ' || w.used
           FROM billing_budget_window w
           LEFT JOIN LATERAL (
               SELECT sum(h.amount) FILTER (WHERE h.state = 'open') AS held,
                      sum(h.captured) AS used
               FROM billing_hold h
               JOIN billing_budget b ON b.id = w.budget_id AND b.organization_id = h.organization_id
               WHERE h.windows @> jsonb_build_array(jsonb_build_array(w.budget_id, w.window_start))
           ) s ON true
           WHERE w.held <> coalesce(s.held, 0) OR w.used <> coalesce(s.used, 0)""",
    ),
    (
        "no entry crosses organizations",
        "SELECT count(*) FROM billing_ledger_entry WHERE organization_id IS NOT NULL",
        """SELECT e.id || ' of ' || e.organization_id || ' in a transaction of ' || t.organization_id
           FROM billing_ledger_entry e JOIN billing_ledger_transaction t ON t.id = e.transaction_id
           WHERE e.organization_id IS NOT NULL AND e.organization_id IS DISTINCT FROM t.organization_id""",
    ),
)


def ledger_findings(look_up_jobs: LookUp) -> Iterator[Finding]:
    """Ask every question, one after the other; each is one snapshot of its own."""
    for name, count, breakers in QUESTIONS + credit_invariants.QUESTIONS:
        with connection.cursor() as cursor:
            cursor.execute(count)
            row = cursor.fetchone()
            cursor.execute(breakers)
            yield Finding(name, row[0] if row else 0, tuple(str(r[0]) for r in cursor.fetchall()))
    checked, broken = credit_invariants.broken_statements()
    yield Finding("statements form a chain by hash, number and balance", checked, tuple(broken))
    yield jobs_match_holds(look_up_jobs)


def jobs_match_holds(look_up_jobs: LookUp) -> Finding:
    """A hold is captured if and only if its job succeeded and its image is stored."""
    checked, wrong = 0, []
    holds = Hold.objects.order_by("id").values_list("id", "job_id", "state", "amount")
    batch: list[tuple[UUID, UUID, str, int]] = []
    for row in holds.iterator(chunk_size=BATCH):
        batch.append(row)
        if len(batch) == BATCH:
            wrong += mismatches(batch, look_up_jobs)
            checked, batch = checked + len(batch), []
    wrong += mismatches(batch, look_up_jobs)
    return Finding(
        "a hold is captured if and only if its job succeeded with an image stored",
        checked + len(batch),
        tuple(wrong),
    )


def mismatches(batch: Sequence[tuple[UUID, UUID, str, int]], look_up_jobs: LookUp) -> list[str]:
    """Holds whose state is not what their job's state asks for."""
    jobs = look_up_jobs([job for _, job, _, _ in batch])
    wrong = []
    for hold, job, state, _ in batch:
        job_state, has_image = jobs.get(job, ("unknown", False))
        delivered = job_state == "succeeded" and has_image
        if (state == HoldState.CAPTURED) != delivered:
            wrong.append(f"hold {hold} is {state}, its job {job} is {job_state}")
        elif state == HoldState.OPEN and job_state not in {"queued", "running"}:
            wrong.append(f"hold {hold} is open, its job {job} is {job_state}")
    return wrong
