"""Spans: what a request and its job do, and when. Costs a comparison where nobody collects them.

The rest of the house knows this module alone. ``governance.kernel.otel`` stands behind it where
OTEL_EXPORTER_OTLP_ENDPOINT is set. No text of a person can get into a span: facts have names from a
short list and values that are figures, ids or codes.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

Fact = str | int | float | bool

# The facts that a span may have, by the name that collectors know.
FACTS = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "organization": "licet.organization",
    "generation": "licet.generation",
    "attempt": "licet.attempt",
    "model": "licet.model",
    "images": "licet.images",
    "batch": "licet.batch",
    "width": "licet.width_px",
    "height": "licet.height_px",
    "steps": "licet.steps",
    "step": "licet.step",
    "index": "licet.index",
    "outcome": "licet.outcome",
    "stage": "licet.stage",
}
LONGEST_FACT = 80


class Span(Protocol):
    """One stretch of work."""

    def tell(self, **facts: Fact) -> None:
        """Add facts of FACTS."""

    def event(self, name: str, **facts: Fact) -> None:
        """Something happened at this moment."""

    def end(self) -> None:
        """It is over; a ``with`` block says so itself."""


class Tracer(Protocol):
    """What collects spans. ``parent`` and ``link`` are W3C traceparents or empty."""

    def span(
        self, name: str, parent: str, link: str, facts: dict[str, Fact]
    ) -> AbstractContextManager[Span]:
        """A span that is the current one inside the block."""

    def opened(self, name: str, parent: str, facts: dict[str, Fact]) -> Span:
        """A span that somebody else will end, perhaps on another thread."""

    def past(self, name: str, begun: datetime, ended: datetime, parent: str) -> None:
        """A span that is over already."""

    def traceparent(self) -> str:
        """The present span for another process; empty where there is none."""

    def ids(self) -> dict[str, str]:
        """The present trace and span for a log."""


class Nothing:
    """The span that nobody collects."""

    def tell(self, **facts: Fact) -> None:
        """Nobody listens."""

    def event(self, name: str, **facts: Fact) -> None:
        """Nobody listens."""

    def end(self) -> None:
        """Nothing had begun."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        return None


NOTHING = Nothing()
_tracer: Tracer | None = None


def collect_with(tracer: Tracer | None) -> None:
    """From now on spans go to ``tracer``; None: to nobody."""
    global _tracer  # noqa: PLW0603 (one collector per process, set at its start)
    _tracer = tracer


def span(
    name: str, *, parent: str = "", link: str = "", **facts: Fact
) -> AbstractContextManager[Span]:
    """A span around a block, inside the present one or, where given, below ``parent``.

    An error that leaves the block is told by its code or class, never by its text.
    """
    return NOTHING if _tracer is None else _tracer.span(name, parent, link, facts)


def opened(name: str, *, parent: str, **facts: Fact) -> Span:
    """A span below ``parent`` that its holder ends, on any thread."""
    return NOTHING if _tracer is None else _tracer.opened(name, parent, facts)


def past(name: str, *, begun: datetime, ended: datetime, parent: str) -> None:
    """A span below ``parent`` for what was over before anybody could watch it."""
    if _tracer is not None:
        _tracer.past(name, begun, ended, parent)


def traceparent() -> str:
    """The present span as a W3C traceparent, for a row or a message; empty without one."""
    return "" if _tracer is None else _tracer.traceparent()


def trace_ids() -> dict[str, str]:
    """The ids of the present trace and span, for a log event; empty without one."""
    return {} if _tracer is None else _tracer.ids()
