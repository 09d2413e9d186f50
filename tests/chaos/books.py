"""``python -m tests.chaos.books open|check FILE``: how many jobs are open, and what the database says
about what the clients were told. One line of JSON last."""

import json
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
django.setup()

# ruff: noqa: E402, T201 (Django first; the last line is the result)
from django.db import connection
from django.utils.timezone import now

from billing.models import Hold, HoldState, LedgerTransaction
from governance.kernel.errors import DomainError
from inference.models import OPEN_STATES, Artifact, EngineStatus, Generation, IdempotencyKey, State
from inference.operations.storage import read_image

# Captures that booked other money than the job says, or booked it twice.
WRONG_CAPTURES = """
SELECT g.id::text FROM inference_generation g
LEFT JOIN billing_ledger_transaction t ON t.kind = 'capture' AND t.facts->>'job' = g.id::text
LEFT JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
GROUP BY g.id, g.charged_microusd
HAVING count(DISTINCT t.id) > 1 OR coalesce(-sum(e.amount), 0) <> g.charged_microusd
"""
# Images without a complete verdict of the gate that let exactly this image out.
UNSCREENED = """
SELECT a.id::text FROM inference_artifact a
WHERE NOT EXISTS (SELECT 1 FROM moderation_decision d
    WHERE d.job_id = a.generation_id AND d.stage = 'output' AND d.attempt = a.attempt
      AND d.index = a.index AND d.complete AND d.outcome IN ('allow', 'label'))
   OR NOT EXISTS (SELECT 1 FROM moderation_decision d
    WHERE d.job_id = a.generation_id AND d.stage = 'input' AND d.complete
      AND d.outcome IN ('allow', 'label'))
"""


def unsettled() -> dict[str, int]:
    """What has no end yet."""
    return {
        "open_jobs": Generation.objects.filter(state__in=OPEN_STATES).count(),
        "open_holds": Hold.objects.filter(state=HoldState.OPEN).count(),
        "engines": EngineStatus.objects.filter(
            state__in=("ready", "busy"), seen_at__gt=now() - timedelta(seconds=15)
        ).count(),
        "finished": Generation.objects.exclude(state__in=OPEN_STATES).count(),
    }


def check(told: list[dict[str, Any]]) -> dict[str, Any]:
    """Every promise, each with the rows that break it."""
    jobs = {str(job.id): job for job in Generation.objects.prefetch_related("artifacts")}
    return {
        "states": Counter(str(job.state) for job in jobs.values()),
        "errors": Counter(job.error_code for job in jobs.values() if job.error_code),
        "attempts": Counter(job.attempts for job in jobs.values() if job.state == State.SUCCEEDED),
        "lost": lost(told, jobs),
        "double_charged": [*rows(WRONG_CAPTURES), *doubled(told)],
        "double_delivered": [key for key, job in jobs.items() if twice_delivered(job)],
        "charged_undelivered": [key for key, job in jobs.items() if is_charged_for_nothing(job)],
        "told_otherwise": told_otherwise(told, jobs),
        "delivered_unscreened": [*rows(UNSCREENED), *unreceipted()],
        "stuck": [
            *(key for key, job in jobs.items() if job.state in OPEN_STATES),
            *(str(hold) for hold in open_holds()),
        ],
    }


def lost(told: list[dict[str, Any]], jobs: dict[str, Generation]) -> list[str]:
    """Wishes that were accepted and have no job, that never were asked or accepted, or keys without a job."""
    gone = [wish["key"] for wish in told if not set(wish["ids"]) <= jobs.keys()]
    never = [wish["key"] for wish in told if not wish["ids"] and not wish["status"]]
    keys = IdempotencyKey.objects.values_list("key", "generation_id")
    return [*gone, *never, *(key for key, job in keys if str(job) not in jobs)]


def doubled(told: list[dict[str, Any]]) -> list[str]:
    """Keys that became two jobs."""
    return [wish["key"] for wish in told if len(wish["ids"]) > 1]


def twice_delivered(job: Generation) -> bool:
    """Whether images of two attempts went out, or more than were asked for."""
    images = list(job.artifacts.all())
    return len({image.attempt for image in images}) > 1 or len(images) > job.images


def is_charged_for_nothing(job: Generation) -> bool:
    """Whether money was taken for a job with no, or unreadable, images, or images went out free."""
    images = list(job.artifacts.all())
    if job.state != State.SUCCEEDED:
        return bool(job.charged_microusd or images)
    paid = LedgerTransaction.objects.filter(kind="capture", facts__job=str(job.id)).exists()
    return not images or paid != bool(job.charged_microusd)


def unreceipted() -> list[str]:
    """Images whose stored bytes the receipt does not cover, or that are gone."""
    wrong = []
    for image in Artifact.objects.filter(deleted_at__isnull=True).iterator():
        try:
            read_image(image)
        except DomainError as error:
            wrong.append(f"{image.id}: {error}")
    return wrong


def told_otherwise(told: list[dict[str, Any]], jobs: dict[str, Generation]) -> list[str]:
    """Clients that were told another end than the books have."""
    wrong = []
    for wish in told:
        job = jobs.get(next(iter(wish["ids"]), ""))
        if job is None or wish["status"] in {"", "queued", "running"}:
            continue
        shown = (wish["status"], wish["charged"], sorted(wish["sha256"]))
        written = sorted(image.sha256 for image in job.artifacts.all())
        if not wish["status"].startswith("refused") and shown != (
            str(job.state), job.charged_microusd, written
        ):  # fmt: skip
            wrong.append(wish["key"])
    return wrong


def open_holds() -> list[object]:
    """Money that is still set aside."""
    return list(Hold.objects.filter(state=HoldState.OPEN).values_list("id", flat=True))


def rows(question: str) -> list[str]:
    """The first column of a query."""
    with connection.cursor() as cursor:
        cursor.execute(question)
        return [str(row[0]) for row in cursor.fetchall()]


if __name__ == "__main__":
    if sys.argv[1] == "open":
        print(json.dumps(unsettled()))
    else:
        print(json.dumps(check(json.loads(Path(sys.argv[2]).read_text()))))
