"""One event as one line, for people or as JSON, redacted in both forms.

The standard library's formatter and not structlog: importing that costs each process a fifth of a second
where rich is installed.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from governance.kernel import log_context
from governance.kernel.redaction import Redactor
from governance.kernel.tracing import trace_ids

# What a record has of its own; everything else was given as ``extra``.
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Django, uvicorn and Celery attach these: what the message says already, or objects that may hold anything.
LEFT_OUT = frozenset(
    {"request", "color_message", "sql", "params", "status_code", "server_time", "data"}
)

logger = logging.getLogger("licet.uncaught")


class TextLines(logging.Formatter):
    """For people: time, level, logger, message, then what is known of the request or job."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s %(message)s")
        self.redactor = redactor

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """The line before a traceback."""
        hidden = log_context.concealed()
        facts = {
            **known(),
            **{
                name: self.redactor.fact(name, fact, hidden) for name, fact in given(record).items()
            },
        }
        told = "".join(f" {name}={fact}" for name, fact in facts.items())
        return super().formatMessage(record) + told

    def format(self, record: logging.LogRecord) -> str:
        """The whole event without what must not be read."""
        return self.redactor.text(super().format(record), log_context.concealed())


class JsonLines(logging.Formatter):
    """For machines: one object a line, ASCII, with the traceback inside it."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The event as one line of JSON."""
        hidden = log_context.concealed()
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.redactor.text(record.getMessage(), hidden),
        }
        event |= {name: self.redactor.text(value) for name, value in known().items()}
        event |= {
            name: self.redactor.fact(name, value, hidden)
            for name, value in given(record).items()
            if name not in event
        }
        if record.exc_info:
            event["exception"] = self.redactor.text(self.formatException(record.exc_info), hidden)
        if record.stack_info:
            event["stack"] = self.redactor.text(record.stack_info, hidden)
        return json.dumps(event)


def known() -> dict[str, str]:
    """The fields of the present request or job, and of its trace."""
    return log_context.fields() | trace_ids()


def given(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as ``extra``."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in OWN and name not in LEFT_OUT and not name.startswith("_")
    }


def formatter(form: Literal["text", "json"], secrets: Iterable[str]) -> logging.Formatter:
    """The formatter of LICET_LOG_FORMAT; ``secrets`` are this installation's own values."""
    redactor = Redactor(secrets)
    return JsonLines(redactor) if form == "json" else TextLines(redactor)


def log_uncaught() -> None:
    """For a process of ours alone: what nobody catches is an event too, and redacted like any other."""

    def of_process(
        kind: type[BaseException], error: BaseException, at: TracebackType | None
    ) -> None:
        logger.critical("the process ends on an error", exc_info=(kind, error, at))

    def of_thread(hooked: threading.ExceptHookArgs) -> None:
        if hooked.exc_value is not None:
            error = (hooked.exc_type, hooked.exc_value, hooked.exc_traceback)
            logger.critical("a thread ended on an error", exc_info=error)

    sys.excepthook = of_process
    threading.excepthook = of_thread
