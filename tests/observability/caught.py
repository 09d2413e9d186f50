"""Logs and spans, caught where they leave the process."""

import io
import json
import logging
from typing import Any

import pytest

from governance.kernel import log_context, tracing
from governance.kernel.log_events import formatter


class Lines:
    """What a handler with our formatter wrote."""

    def __init__(self, form: str) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter(form, ()))

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(params=["json", "text"])
def lines(request):
    """A handler on the root logger, once for each format."""
    yield from listening(Lines(request.param))


@pytest.fixture
def json_lines():
    """A handler on the root logger that writes JSON."""
    yield from listening(Lines("json"))


def listening(made):
    root = logging.getLogger()
    level = root.level
    root.addHandler(made.handler)
    root.setLevel(logging.INFO)
    log_context.begin()
    yield made
    root.removeHandler(made.handler)
    root.setLevel(level)
    log_context.begin()


class Spans:
    """The spans that have ended, by name and all together."""

    def __init__(self, exporter: Any) -> None:
        self.exporter = exporter

    @property
    def all(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    def __getitem__(self, name: str) -> Any:
        (found,) = [span for span in self.all if span.name == name]
        return found


@pytest.fixture
def spans():
    """Collects every span of this process."""
    # Here and not above: this file is loaded by every test run.
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from governance.kernel.otel import OpenTelemetry

    exporter = InMemorySpanExporter()
    tracing.collect_with(OpenTelemetry(SimpleSpanProcessor(exporter)))
    yield Spans(exporter)
    tracing.collect_with(None)
