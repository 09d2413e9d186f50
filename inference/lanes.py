"""The lanes of one engine: jobs that are under way in it at the same time."""

import threading
from uuid import UUID

from inference.operations.leases import Lease


class Lanes:
    """How many jobs are under way, and whether one of them must be the only one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.jobs: dict[UUID, Lease] = {}
        self.changed = threading.Condition()

    @property
    def free(self) -> bool:
        """Whether another job may be claimed: a lane is idle and nobody asked to be alone."""
        return len(self.jobs) < self.count and not any(job.is_retry for job in self.jobs.values())

    def enter(self, lease: Lease) -> None:
        """A job takes a lane."""
        with self.changed:
            self.jobs[lease.generation_id] = lease

    def leave(self, lease: Lease) -> None:
        """A job leaves its lane."""
        with self.changed:
            del self.jobs[lease.generation_id]
            self.changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until a lane changes, at most ``seconds``."""
        with self.changed:
            self.changed.wait(seconds)

    def wait_empty(self, seconds: float) -> None:
        """Until no job is under way, at most ``seconds``."""
        with self.changed:
            self.changed.wait_for(lambda: not self.jobs, seconds)
