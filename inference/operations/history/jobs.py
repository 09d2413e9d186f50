"""One job of the past by the real operations: submitted and claimed, drawn, ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.timezone import now

from billing.operations.past import booked_in_the_past
from governance.kernel.actors import Actor
from governance.models import ApiKey, ModelRelease
from inference.engine.attempts import Engine, Outcome
from inference.models import Generation
from inference.operations.admissions import Submitter
from inference.operations.finishing import cancel_generation
from inference.operations.leases import Lease, claim_next, extend
from inference.operations.planning import GenerationRequest
from inference.operations.running import STUCK_AFTER_S, command_of, settle, worker_actor
from inference.operations.submission import submit_generation
from moderation.operations.screening import PromptBlocked, PromptHeld

MARK = "history-"
WORKER = worker_actor("history")
TOOK = timedelta(seconds=4)


class OthersWait(Exception):
    """Somebody's own job is first in the queue: the past is rolled back and steps aside."""


@dataclass(frozen=True)
class PastJob:
    """What was asked when, by which key, and how it ended: drawn, failed or cancelled."""

    number: int
    key: ApiKey
    request: GenerationRequest
    at: datetime
    ending: str = "drawn"

    @property
    def mark(self) -> str:
        """The request id by which the job is known again."""
        return f"{MARK}{self.number}"

    @property
    def actor(self) -> Actor:
        """The key, as the one who asks."""
        return Actor("api_key", str(self.key.id), label=self.key.name, request_id=self.mark)


def made_of(organization_id: UUID) -> set[str]:
    """The marks of the jobs that are there."""
    known = Generation.objects.filter(organization_id=organization_id, request_id__startswith=MARK)
    return set(known.values_list("request_id", flat=True))


def live(job: PastJob, release: ModelRelease, engine: Engine) -> None:
    """Make one job. Raises OthersWait, and EngineLost: then the job is left to its lease."""
    lease = place(job, release)
    if lease is not None:
        outcome = Outcome() if job.ending == "failed" else draw(lease, engine)
        with booked_in_the_past(job.at + TOOK):
            settle(lease, outcome, WORKER, job.at + TOOK)


def place(job: PastJob, release: ModelRelease) -> Lease | None:
    """Ask as the key would have, and claim in the same commit, so that no worker of today takes it.

    None where the job is over by then: refused, or cancelled. Raises OthersWait.
    """
    submitter = Submitter(job.key.organization_id, job.key.project_id, job.key.id, job.actor)
    with booked_in_the_past(job.at):
        try:
            queued = submit_generation(
                request=job.request, submitter=submitter, at=job.at, enqueue=lambda _: None
            ).generation_id
        except (PromptBlocked, PromptHeld):
            return None
        if job.ending == "cancelled":
            cancel_generation(
                organization_id=job.key.organization_id,
                generation_id=queued,
                actor=job.actor,
                at=job.at + TOOK,
            )
            return None
        lease = claim_next(worker=WORKER, release_ids=[release.id], at=job.at)
        if lease is None or lease.generation_id != queued:
            raise OthersWait
        # The drawing is of today, and a lease of the past would be taken for a dead worker's.
        extend(lease=lease, step=0, at=now())
        return lease


def draw(lease: Lease, engine: Engine) -> Outcome:
    """What the engine makes of it; in no transaction. Raises EngineLost."""
    return engine.generate(
        command_of(Generation.objects.get(id=lease.generation_id), lease),
        on_step=lambda _step, _steps: None,
        should_cancel=lambda: False,
        stuck_after_s=STUCK_AFTER_S,
    )
