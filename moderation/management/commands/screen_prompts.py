"""`manage.py screen_prompts`: what the text gate says about a file of prompts, a line each."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TextIO

from django.core.management.base import BaseCommand, CommandError

from moderation.classifiers.text.gate import TextGate
from moderation.classifiers.text.progress import Progress
from moderation.classifiers.text.scores import ScoreNotFinite


class SupportsWrite(Protocol):
    """A text file, or the standard output of a command."""

    def write(self, text: str, /) -> object:
        """Writes `text`."""


def read_lines(source: TextIO) -> Iterator[dict[str, Any]]:
    """JSON objects with a text `text`, one a line. Raises CommandError with the line's number."""
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CommandError(f"line {number} is not JSON") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise CommandError(f"line {number} has no text")
        row.setdefault("id", number)
        yield row


def answer(gate: TextGate, row: dict[str, Any]) -> dict[str, Any]:
    """The output line for one row. A text that cannot be scored is held for review."""
    try:
        found = gate.classify(row["text"])
    except ScoreNotFinite:
        return {"id": row["id"], "outcome": "review", "item": None, "scores": {}, "score": None}
    return {
        "id": row["id"],
        "outcome": found.outcome,
        "item": found.item,
        "scores": {item: round(value, 6) for item, value in found.scores.items()},
        "score": round(found.score, 6),
        "language": found.language,
        "reasons": list(found.reasons),
    }


def screen(gate: TextGate, rows: list[dict[str, Any]], target: SupportsWrite) -> None:
    """Writes an answer per row, in order; the bar goes to standard error."""
    progress = Progress(len(rows), "screened")
    for row in rows:
        target.write(json.dumps(answer(gate, row), ensure_ascii=False) + "\n")
        progress.step()
    progress.done()


class Command(BaseCommand):
    """Screens prompts; needs no database."""

    help = "Screens {id, text} lines with the text gate: {id, outcome, item, scores, score} lines."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--input` and `--output` are files; `-` is standard input or output."""
        parser.add_argument("--input", required=True)
        parser.add_argument("--output", default="-")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Reads, screens, writes in order. Raises CommandError."""
        gate = TextGate.load()
        gate.self_test()
        try:
            with ExitStack() as files:
                source: TextIO = sys.stdin
                if options["input"] != "-":
                    source = files.enter_context(Path(options["input"]).open(encoding="utf-8"))
                rows = list(read_lines(source))
                target: SupportsWrite = self.stdout
                if options["output"] != "-":
                    target = files.enter_context(
                        Path(options["output"]).open("w", encoding="utf-8")
                    )
                screen(gate, rows, target)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
