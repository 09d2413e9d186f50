"""One attempt at one job while it is in the engine: what it needs, and what it says."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from governance.kernel import log_context
from inference.engine.previews import Previews
from inference.engine.protocol import GenerateCommand, Preview, Refused, Released
from inference.engine.style import Style
from inference.engine.text import Text
from moderation.operations.screening import ScreenedPrompt


class Outbox(Protocol):
    """Where frames go. May be called from any thread."""

    def __call__(self, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send one frame."""


class Job:
    """One attempt: its prepared texts, the images still to draw, and those still to be judged.

    ``done`` is said once, after the last image or at the first of failure and cancellation; whatever
    comes later is dropped, so that nothing follows ``done``.
    """

    def __init__(self, command: GenerateCommand, send: Outbox) -> None:
        self.command = command
        self.prompt: ScreenedPrompt | None = None
        self.unconditional: Text | None = None
        self.previews: Previews | None = None
        self.style: Style | None = None
        self.slot = 0
        self.on_close: Callable[[], None] = lambda: None
        self.cancel_requested = threading.Event()
        self.closed = False
        self.undrawn = command.images
        self._text: Text | None = None
        self._unjudged = command.images
        self._send = send
        self._lock = threading.RLock()

    @property
    def text(self) -> Text:
        """The encoded prompt; set before the job reaches the shelf."""
        assert self._text is not None, "drawn before it was prepared"
        return self._text

    def prepare(
        self,
        prompt: ScreenedPrompt,
        text: Text,
        unconditional: Text | None,
        *,
        release_slug: str,
    ) -> None:
        """The prompt has been verified and encoded."""
        self.prompt, self._text, self.unconditional = prompt, text, unconditional
        self.previews = Previews(
            command=self.command, prompt=prompt, release_slug=release_slug, emit=self.preview
        )

    @property
    def preview_steps(self) -> tuple[int, ...]:
        """The steps after which this job shows previews."""
        return self.previews.steps if self.previews else ()

    @property
    def kind(self) -> tuple[int, int, int, float, str]:
        """What jobs of one batch have in common."""
        command = self.command
        return command.width, command.height, command.steps, command.guidance, command.style_key

    def take(self, count: int) -> int:
        """Reserve the next ``count`` images for drawing; returns the first one's index."""
        first = self.command.images - self.undrawn
        self.undrawn -= count
        return first

    def begin(self) -> None:
        """The first of its images is being drawn: from now on a death of the engine may be its fault."""
        self._say("begun", {})

    def step(self, done: float) -> None:
        """Progress as a share of all images, 0 to 1."""
        steps = self.command.steps
        self._say("step", {"step": max(1, int(done * steps + 1e-6)), "steps": steps})

    def deliver(self, result: Released | Refused) -> None:
        """One image has been through the gate."""
        with self._lock:
            if isinstance(result, Released):
                fields = asdict(result)
                data = fields.pop("data")
                self._say("released", fields, data)
            else:
                self._say("refused", asdict(result))
            self._unjudged -= 1
            if self._unjudged == 0:
                self.close()

    def preview(self, preview: Preview) -> None:
        """A preview has been through the gate."""
        fields = asdict(preview)
        data = fields.pop("data")
        self._say("preview", fields, data)

    def fail(self, reason: Refused) -> None:
        """The whole job could not be made."""
        with self._lock:
            self._say("refused", asdict(reason))
            self.close()

    def close(self, *, cancelled: bool = False) -> None:
        """Say ``done``, once."""
        with self._lock:
            if self.closed:
                return
            self._say("done", {"cancelled": cancelled})
            self.closed = True
        self.on_close()

    def stop_if_cancelled(self) -> bool:
        """Whether nobody waits for it any more; says so the first time."""
        if self.cancel_requested.is_set() and not self.closed:
            self.close(cancelled=True)
        return self.closed

    def _say(self, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
        with self._lock:
            if not self.closed:
                self._send(kind, {"ticket": self.command.ticket, **header}, payload)


def work_on(jobs: Sequence[Job]) -> None:
    """What this thread logs from now on is about ``jobs``, and shows no word of their prompts."""
    commands = [job.command for job in jobs]
    log_context.begin(
        request_id=together(each.request_id for each in commands),
        organization=together(each.organization_id for each in commands),
        generation=together(each.job_id for each in commands),
    )
    log_context.conceal(*(each.prompt for each in commands))


def together(ids: Iterable[str]) -> str:
    """Each of ``ids`` once, by comma."""
    return ",".join(dict.fromkeys(filter(None, ids)))
