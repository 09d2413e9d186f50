"""What is true after the trouble, asked of the database and of the product's own checks."""

import json
from typing import Any

import psycopg

from tests.chaos.clients import Told
from tests.chaos.stack import ChaosStack

OPEN = "state IN ('queued', 'running')"
# Each gives the ids that are wrong.
WRONG = {
    # A capture is booked once for a job, and is what the job says it cost.
    "double_charged": """
        SELECT h.job_id FROM billing_hold h
        JOIN billing_ledger_transaction t ON t.kind = 'capture' AND t.external_reference = h.id::text
        GROUP BY h.job_id HAVING count(*) > 1
        UNION SELECT generation_id FROM inference_idempotency_key
        GROUP BY generation_id HAVING count(DISTINCT key) > 1
        UNION SELECT g.id FROM inference_generation g JOIN billing_hold h ON h.job_id = g.id
        WHERE g.state = 'succeeded' AND h.captured <> g.charged_microusd""",
    "charged_undelivered": """
        SELECT g.id FROM inference_generation g JOIN billing_hold h ON h.job_id = g.id
        WHERE h.captured <> h.per_image * (
            SELECT count(*) FROM inference_artifact a WHERE a.generation_id = g.id)
        OR (g.state <> 'succeeded' AND h.captured > 0)
        OR (g.state NOT IN ('queued', 'running') AND h.state = 'open')""",
    "delivered_unscreened": """
        SELECT a.generation_id FROM inference_artifact a
        WHERE NOT EXISTS (SELECT FROM moderation_decision d WHERE d.job_id = a.generation_id
            AND d.stage = 'output' AND d.index = a.index AND d.complete
            AND d.outcome IN ('allow', 'label'))
        OR NOT EXISTS (SELECT FROM moderation_decision d WHERE d.job_id = a.generation_id
            AND d.stage = 'input' AND d.complete AND d.outcome IN ('allow', 'label'))""",
}


def unfinished(stack: ChaosStack) -> int:
    """Jobs that are not over."""
    with psycopg.connect(stack.database_url()) as db:
        row = db.execute(f"SELECT count(*) FROM inference_generation WHERE {OPEN}").fetchone()
    return int(row[0]) if row else 0


def judge(stack: ChaosStack, told: Told) -> dict[str, Any]:
    """Counts of everything that must be 0, and what happened to the jobs."""
    with psycopg.connect(stack.database_url()) as db:
        found = {name: [str(row[0]) for row in db.execute(text)] for name, text in WRONG.items()}
        states = dict(db.execute("SELECT state, count(*) FROM inference_generation GROUP BY 1"))
        attempts = dict(
            db.execute("SELECT attempts, count(*) FROM inference_generation GROUP BY 1")
        )
        errors = dict(
            db.execute(
                "SELECT error_code, count(*) FROM inference_generation "
                "WHERE state = 'failed' GROUP BY 1"
            )
        )
        known = {str(row[0]) for row in db.execute("SELECT id FROM inference_generation")}
        blobs = [
            row[0]
            for row in db.execute("SELECT blob FROM inference_artifact WHERE deleted_at IS NULL")
        ]
    lost = [job for job in told.accepted.values() if job not in known]
    missing = [blob for blob in blobs if not list(stack.home.rglob(blob.rsplit("/", 1)[-1]))]
    ledger = json.loads(stack.manage("check_ledger", "--json").stdout or "{}")
    audit = stack.manage("verify_audit", "--full")
    return {
        "lost": len(lost) + len(missing),
        **{name: len(ids) for name, ids in found.items()},
        "ledger_violations": ledger.get("violations", -1),
        "audit_violations": 0 if audit.returncode == 0 else 1,
        "stuck": sum(states.get(state, 0) for state in ("queued", "running")),
        "states": states,
        "attempts": {str(tries): number for tries, number in sorted(attempts.items())},
        "failed_because": errors,
        "refused": len(told.refused),
        "unanswered": len(told.unanswered),
        "findings": {name: ids[:5] for name, ids in found.items() if ids}
        | ({"audit": audit.stdout[-500:] + audit.stderr[-500:]} if audit.returncode else {}),
    }
