"""An attempt while it runs: its steps and previews told, its lease kept, its end asked for."""

from datetime import datetime, timedelta

from django.utils.timezone import now

from inference.engine.protocol import Preview
from inference.models import Generation
from inference.operations.bell import ring
from inference.operations.leases import Lease, extend
from inference.operations.previews import announce_preview

EXTEND_EVERY = timedelta(seconds=2)


class Progress:
    """Writes steps to the row and the bell, at most one UPDATE every two seconds."""

    def __init__(self, lease: Lease, deadline_at: datetime | None = None) -> None:
        self.lease = lease
        self.deadline_at = deadline_at
        self.lost = False
        self.step = 0
        self._written: datetime | None = None

    def on_step(self, step: int, steps: int) -> None:
        """Called by the engine's client after every step."""
        self.step = step
        ring(self.lease.generation_id, "step", step=step, steps=steps)
        self.keep_lease()

    def on_preview(self, preview: Preview) -> None:
        """Called with each preview that the engine's gate released."""
        announce_preview(
            generation_id=self.lease.generation_id,
            attempt=self.lease.attempt,
            index=preview.index,
            partial=preview.partial,
            data=preview.data,
            receipt=preview.receipt,
        )

    def keep_lease(self) -> None:
        """Extend the lease when it is time to."""
        at = now()
        if self._written is None or at - self._written >= EXTEND_EVERY:
            self._written = at
            self.lost = self.lost or not extend(lease=self.lease, step=self.step, at=at)

    def should_cancel(self) -> bool:
        """Whether the user has asked to stop, the deadline has passed or the lease is lost."""
        self.keep_lease()
        return (
            self.lost
            or self.is_late
            or (
                Generation.objects.filter(
                    id=self.lease.generation_id, cancel_requested_at__isnull=False
                ).exists()
            )
        )

    @property
    def is_late(self) -> bool:
        """Whether the job's deadline has passed."""
        return self.deadline_at is not None and now() > self.deadline_at
