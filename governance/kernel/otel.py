"""Spans by OpenTelemetry. Imported only where they are asked for: the package is an extra."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from governance.kernel.errors import DomainError
from governance.kernel.tracing import FACTS, LONGEST_FACT, Fact, Span

W3C = TraceContextTextMapPropagator()
NANOSECONDS = 1_000_000_000


class OpenSpan:
    """A span of OpenTelemetry behind our own few words."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span

    def tell(self, **facts: Fact) -> None:
        """Add facts."""
        self.span.set_attributes(named(facts))

    def event(self, name: str, **facts: Fact) -> None:
        """Something happened at this moment."""
        self.span.add_event(name, named(facts))

    def end(self) -> None:
        """It is over."""
        self.span.end()


class OpenTelemetry:
    """Makes spans and hands each that has ended to ``processor``."""

    def __init__(self, processor: SpanProcessor) -> None:
        # Samplers, limits and further attributes come from OTEL_ variables, which the SDK reads itself.
        self.provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "licet"}))
        self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("licet")

    def span(
        self, name: str, parent: str, link: str, facts: dict[str, Fact]
    ) -> AbstractContextManager[Span]:
        """The current span inside the block."""
        return self._current(name, parent, link, facts)

    @contextmanager
    def _current(
        self, name: str, parent: str, link: str, facts: dict[str, Fact]
    ) -> Iterator[OpenSpan]:
        linked = trace.get_current_span(context_of(link)).get_span_context() if link else None
        with self.tracer.start_as_current_span(
            name,
            context=context_of(parent) if parent else None,
            links=[trace.Link(linked)] if linked is not None and linked.is_valid else [],
            attributes=named(facts),
            # An exception's text may hold what it choked on.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield OpenSpan(span)
            except Exception as error:
                told_error(span, error)
                raise

    def opened(self, name: str, parent: str, facts: dict[str, Fact]) -> Span:
        """A span that somebody ends."""
        return OpenSpan(self.tracer.start_span(name, context_of(parent), attributes=named(facts)))

    def past(self, name: str, begun: datetime, ended: datetime, parent: str) -> None:
        """A span that is over."""
        span = self.tracer.start_span(name, context_of(parent), start_time=nanoseconds(begun))
        span.end(nanoseconds(max(begun, ended)))

    def traceparent(self) -> str:
        """The present span in W3C's words."""
        carrier: dict[str, str] = {}
        W3C.inject(carrier)
        return carrier.get("traceparent", "")

    def ids(self) -> dict[str, str]:
        """The present trace and span."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }


def exporting(endpoint: str) -> OpenTelemetry:
    """Spans to the collector at ``endpoint`` (OTLP over HTTP), in batches on a thread of its own.

    A collector that does not answer loses spans and delays nobody.
    """
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return OpenTelemetry(BatchSpanProcessor(exporter))


def context_of(traceparent: str) -> Context:
    """The context that a traceparent names; an empty one where it is empty or malformed."""
    return W3C.extract({"traceparent": traceparent}, context=Context())


def named(facts: dict[str, Fact]) -> dict[str, Fact]:
    """Facts by their collectors' names. KeyError for one that spans may not have."""
    return {
        FACTS[name]: value[:LONGEST_FACT] if isinstance(value, str) else value
        for name, value in facts.items()
    }


def told_error(span: trace.Span, error: Exception) -> None:
    """A refusal by its code; a fault by its class, and then the span has failed."""
    if isinstance(error, DomainError):
        span.set_attribute("error.type", error.code)
        return
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(trace.Status(trace.StatusCode.ERROR))


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * NANOSECONDS)
