"""The reads that people and workers do all day, on the organization with the most jobs, and the admission.

Each is the application's own function; what writes is rolled back, so that it can be repeated.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils.timezone import now

from billing.queries.balances import balance_of
from billing.queries.journal import ledger_of
from billing.queries.usage import usage_of
from governance.kernel.actors import Actor
from governance.models import ApiKey, ModelRelease, Organization
from governance.queries.audit_log import LogFilter, audit_log
from governance.queries.standing import standing_of
from inference.benchmarks.portal.pages import LARGEST
from inference.models import Generation
from inference.operations.admissions import Submitter
from inference.operations.leases import claim_next
from inference.operations.planning import GenerationRequest
from inference.operations.submission import submit_generation
from inference.queries.generations import generation_of, generations_of

Read = Callable[[], object]


def main_reads() -> dict[str, Read]:
    """Each read by name, ready to be called."""
    home = Organization.objects.get(slug=LARGEST)
    ids = known_jobs(home.id)
    middle = str(ids[len(ids) // 2])
    return {
        "list of generations": lambda: generations_of(home.id),
        "list of generations, from the middle": lambda: generations_of(home.id, cursor=middle),
        "one generation": lambda: generation_of(home.id, secrets.choice(ids)),
        "balance": lambda: balance_of(home.id),
        "usage of 30 days": lambda: usage_of(
            home.id, since=now().date() - timedelta(days=29), until=now().date(), by="project"
        ),
        "ledger": lambda: ledger_of(home.id),
        "audit log": lambda: audit_log(home.id, LogFilter(), after=None, before=None, limit=20),
        "standing": lambda: standing_of(home.id, at=now()),
        "queue claim": claim,
        "admission": admission_of(home),
    }


def known_jobs(organization_id: UUID, most: int = 1000) -> list[UUID]:
    """Finished jobs, spread over the whole time."""
    rows = Generation.objects.filter(organization_id=organization_id, state="succeeded")
    step = max(rows.count() // most, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM inference_generation"
            " WHERE organization_id = %s AND state = 'succeeded') numbered WHERE place %% %s = 0",
            [organization_id, step],
        )
        return [row[0] for row in cursor.fetchall()]


@transaction.atomic
def claim() -> None:
    """What a worker does to get a job. Raises AssertionError where none waits."""
    releases = list(ModelRelease.objects.values_list("id", flat=True))
    lease = claim_next(
        worker=Actor("worker", "bench", label="bench"), release_ids=releases, at=now()
    )
    assert lease is not None, "no job waits"
    transaction.set_rollback(True)


def admission_of(home: Organization) -> Read:
    """Licence, gate, price, hold, job, decision and audit entry of one request."""
    key = ApiKey.objects.filter(organization=home).earliest("created_at")
    submitter = Submitter(
        home.id, key.project_id, key.id, Actor("api_key", str(key.id), label="bench")
    )

    def admit() -> None:
        with transaction.atomic():
            submit_generation(
                request=GenerationRequest(prompt="a lamp beside a window", width=256, height=256),
                submitter=submitter,
                at=now(),
                enqueue=lambda _job: None,
            )
            transaction.set_rollback(True)

    return admit
