"""Spans: what they tell, what they never tell, and that nobody pays for those that nobody collects."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from governance.kernel import tracing
from governance.kernel.errors import NotFound
from governance.kernel.otel import exporting

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_without_a_collector_a_span_is_nothing_and_has_no_id():
    with tracing.span("request", route="v1/models") as span:
        span.event("step", step=1)

        assert span is tracing.NOTHING
        assert tracing.traceparent() == ""
        assert tracing.trace_ids() == {}


def test_a_span_inside_another_is_its_child(spans):
    with tracing.span("request", method="GET"), tracing.span("admission"):
        pass

    request, admission = spans["request"], spans["admission"]
    assert admission.parent.span_id == request.context.span_id
    assert dict(request.attributes) == {"http.request.method": "GET"}


def test_a_traceparent_continues_the_trace_elsewhere(spans):
    with tracing.span("admission"):
        carried = tracing.traceparent()

    tracing.opened("engine.draw", parent=carried, steps=8).end()

    assert spans["engine.draw"].parent.span_id == spans["admission"].context.span_id
    assert spans["engine.draw"].context.trace_id == spans["admission"].context.trace_id


@pytest.mark.parametrize("malformed", ["", "00-xyz", "00-0-0-01; DROP TABLE", "ff" * 40])
def test_a_malformed_traceparent_begins_a_trace_of_its_own(spans, malformed):
    tracing.opened("engine.draw", parent=malformed).end()

    assert spans["engine.draw"].parent is None


def test_a_callers_trace_is_linked_to_and_not_joined(spans):
    with tracing.span("request", link=PARENT):
        pass

    (link,) = spans["request"].links
    assert spans["request"].parent is None
    assert format(link.context.trace_id, "032x") == PARENT[3:35]


def test_a_wait_that_is_over_has_its_own_times(spans):
    begun = datetime(2026, 1, 1, tzinfo=UTC)

    tracing.past("queue.wait", begun=begun, ended=begun + timedelta(seconds=3), parent=PARENT)

    span = spans["queue.wait"]
    assert (span.end_time - span.start_time) / 1e9 == 3


def test_an_error_is_told_by_its_class_and_never_by_its_text(spans):
    with pytest.raises(ValueError, match="violet"), tracing.span("store"):
        raise ValueError("a violet heron")

    span = spans["store"]
    assert dict(span.attributes) == {"error.type": "ValueError"}
    assert not span.status.is_ok
    assert "violet" not in span.to_json()


def test_a_refusal_is_told_by_its_code_and_is_no_failure(spans):
    with pytest.raises(NotFound), tracing.span("admission"):
        raise NotFound("a violet heron")

    span = spans["admission"]
    assert dict(span.attributes) == {"error.type": "not_found"}
    assert span.status.is_unset


def test_a_fact_that_spans_may_not_have_is_a_bug(spans):
    with pytest.raises(KeyError):
        tracing.opened("engine.draw", parent="", prompt="a violet heron")


def test_the_ids_of_the_present_span_stand_in_log_events(spans, json_lines):
    import logging

    with tracing.span("request"):
        logging.getLogger("tests").warning("inside")

    (event,) = json_lines.events
    assert event["trace_id"] == format(spans["request"].context.trace_id, "032x")
    assert event["span_id"] == format(spans["request"].context.span_id, "016x")


def test_a_collector_that_is_not_there_delays_nobody(caplog):
    tracer = exporting("http://127.0.0.1:9")
    tracing.collect_with(tracer)
    try:
        with tracing.span("request"):
            pass
    finally:
        tracing.collect_with(None)

    tracer.provider.shutdown()


def set_up(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    lines = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'governance.settings'",
        code,
        "import django; django.setup()",
        "print(*sys.modules)",
    )
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_a_process_without_a_collector_does_not_need_the_package():
    done = set_up("sys.modules['opentelemetry'] = None", OTEL_EXPORTER_OTLP_ENDPOINT="")

    assert done.returncode == 0, done.stderr
    assert "governance.kernel.otel" not in done.stdout.split()


def test_a_collector_without_the_package_is_an_error_that_says_what_to_install():
    done = set_up(
        "sys.modules['opentelemetry'] = None", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318"
    )

    assert done.returncode == 1
    assert "licet[telemetry]" in done.stderr
