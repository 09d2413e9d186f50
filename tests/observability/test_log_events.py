"""An event is one line; it names its request and job, and shows no secret in any of its parts."""

import logging
import subprocess
import sys
from dataclasses import dataclass

import pytest

from governance.kernel import log_context
from governance.kernel.secrets import generate_key
from inference.engine.protocol import GenerateCommand

logger = logging.getLogger("tests.observability")
PROMPT = "a violet heron over the estuary"


def command(**changes: object) -> GenerateCommand:
    fields = {
        "job_id": "01994c1e-93cf-7a7b-8c0f-3f1e8a4d2b6c",
        "attempt": 1,
        "prompt": PROMPT,
        "prompt_receipt": {},
        "width": 64,
        "height": 64,
        "steps": 2,
        "guidance": 0.0,
        "seed": 1,
        "images": 1,
        "output_format": "png",
    }
    return GenerateCommand(**{**fields, **changes})


def test_an_event_is_one_object_with_its_request_and_job(json_lines):
    log_context.begin(request_id="req_12345678", organization="o-1")
    log_context.note(generation="g-1")

    logger.warning("two\nlines %s", 7, extra={"duration_ms": 1.5})

    (event,) = json_lines.events
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "level": "WARNING",
        "logger": "tests.observability",
        "message": "two\nlines 7",
        "duration_ms": 1.5,
        "request_id": "req_12345678",
        "organization": "o-1",
        "generation": "g-1",
    }


def test_extra_facts_cannot_pass_for_the_events_own(json_lines):
    log_context.begin(request_id="req_12345678")

    logger.warning("true", extra={"level": "DEBUG", "request_id": "forged"})

    (event,) = json_lines.events
    assert (event["level"], event["request_id"]) == ("WARNING", "req_12345678")


def test_a_line_for_people_names_the_request_too(lines):
    log_context.begin(request_id="req_12345678")

    logger.warning("slow")

    assert "req_12345678" in lines.text


def test_a_traceback_stays_in_the_event_and_shows_no_secret(lines):
    key = generate_key("live")
    log_context.conceal(PROMPT)

    def fail() -> None:
        raise ValueError(f"cannot encode {PROMPT!r} for {key} of jo@example.com")

    try:
        fail()
    except ValueError:
        logger.exception("preparing failed")

    assert "Traceback" in lines.text
    assert "ValueError" in lines.text
    for hidden in (key, PROMPT, "violet", "jo@example.com"):
        assert hidden not in lines.text


def test_the_error_behind_an_error_is_redacted_as_well(lines):
    def fail() -> None:
        try:
            {}["password=hunter2-and-more"]
        except KeyError as first:
            raise RuntimeError("no") from first

    try:
        fail()
    except RuntimeError:
        logger.exception("failed")

    assert "RuntimeError" in lines.text
    assert "hunter2" not in lines.text


@dataclass(frozen=True)
class Card:
    email: str
    note: str


@pytest.mark.parametrize(
    "facts",
    [
        {"prompt": PROMPT},
        {"body": {"prompt": PROMPT, "n": 1}},
        {"command": command()},
        {"orders": [command()]},
        {"card": Card("jo@example.com", PROMPT)},
        {"headers": {"Authorization": f"Bearer {PROMPT.replace(' ', '')}"}},
    ],
    ids=["field", "mapping", "dataclass", "list", "person", "header"],
)
def test_structured_facts_show_no_prompt_and_no_person(lines, facts):
    log_context.conceal(PROMPT)

    logger.warning("refused %s", facts, extra=facts)

    for hidden in ("violet", "heron", "jo@example.com"):
        assert hidden not in lines.text


def test_a_command_in_a_message_hides_its_prompt_by_its_name_alone(lines):
    logger.warning("not understood: %r", command())

    assert "violet" not in lines.text
    assert "width=64" in lines.text or "[redacted]" in lines.text


def test_a_number_that_json_has_no_word_for_is_told_as_text(json_lines):
    logger.warning("odd", extra={"share": float("nan")})

    assert json_lines.events[0]["share"] == "nan"


def test_what_ends_a_process_is_logged_redacted():
    code = (
        "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'governance.settings')\n"
        "import django; django.setup()\n"
        "from governance.kernel.log_events import log_uncaught\n"
        "log_uncaught()\n"
        "import threading\n"
        "def fail(): raise ValueError('Bearer aaaabbbbcccc')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "raise ValueError('whsec_aaaabbbbcccc')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "a thread ended on an error" in done.stderr
    assert "the process ends on an error" in done.stderr
    assert "aaaabbbbcccc" not in done.stderr
