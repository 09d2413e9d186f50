"""One job of the past through the real path: submitted, claimed, drawn, ended, in one commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.operations.past import booked_in_the_past
from governance.kernel.actors import Actor
from governance.models import ApiKey, ModelRelease
from inference.engine.client import Engine, Outcome
from inference.models import Generation
from inference.operations.finishing import cancel_generation
from inference.operations.leases import claim_next
from inference.operations.planning import GenerationRequest
from inference.operations.running import run_attempt, worker_actor
from inference.operations.submission import Submitter, submit_generation
from moderation.operations.screening import PromptBlocked, PromptHeld

WORKER = worker_actor("history")
TOOK = timedelta(seconds=4)


class OthersWait(Exception):
    """Somebody's own job is first in the queue: the past is rolled back and steps aside."""


@dataclass(frozen=True)
class PastJob:
    """What was asked when, by which key, and how it ended: drawn, failed or cancelled."""

    mark: str
    key: ApiKey
    request: GenerationRequest
    at: datetime
    ending: str = "drawn"

    def is_known(self) -> bool:
        """Whether an earlier run made it."""
        return Generation.objects.filter(
            organization_id=self.key.organization_id, request_id=self.mark
        ).exists()


def live(job: PastJob, release: ModelRelease, engine: Engine) -> None:
    """Make one job that is missing. Nobody else sees it before it has ended. Raises OthersWait."""
    if job.is_known():
        return
    with booked_in_the_past(job.at + TOOK):
        try:
            queued = submit(job)
        except (PromptBlocked, PromptHeld):
            return
        end(job, queued, release, engine)


def submit(job: PastJob) -> UUID:
    """Ask as the key would have. Raises what ``submit_generation`` raises."""
    actor = Actor("api_key", str(job.key.id), label=job.key.name, request_id=job.mark)
    submitter = Submitter(job.key.organization_id, job.key.project_id, job.key.id, actor)
    return submit_generation(
        request=job.request, submitter=submitter, at=job.at, enqueue=lambda _: None
    ).generation_id


def end(job: PastJob, queued: UUID, release: ModelRelease, engine: Engine) -> None:
    """Cancel it, or claim and draw it. Raises OthersWait."""
    if job.ending == "cancelled":
        actor = Actor("api_key", str(job.key.id), label=job.key.name)
        cancel_generation(
            organization_id=job.key.organization_id, generation_id=queued, actor=actor,
            at=job.at + TOOK,
        )  # fmt: skip
        return
    lease = claim_next(worker=WORKER, release_ids=[release.id], at=job.at)
    if lease is None or lease.generation_id != queued:
        raise OthersWait
    drawing = NothingDrawn() if job.ending == "failed" else engine
    run_attempt(lease=lease, engine=drawing, actor=WORKER, clock=lambda: job.at + TOOK)


class NothingDrawn:
    """An engine on which the job fails: it ends without an image."""

    def generate(self, *_: object, **__: object) -> Outcome:
        """Nothing."""
        return Outcome()
