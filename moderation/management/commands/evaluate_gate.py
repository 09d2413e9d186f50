"""`manage.py evaluate_gate`: the text gate's figures on a file of labelled prompts."""

import gzip
import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError

from moderation.classifiers.text.evaluation import (
    Figures,
    Judged,
    LabelUnknown,
    evaluate,
    unsafe_of,
)
from moderation.classifiers.text.gate import TextGate
from moderation.classifiers.text.progress import Progress
from moderation.management.commands.screen_prompts import read_lines

_SHOWN = ("rows", "unsafe", "auroc", "auprc", "recall_at_1_percent_fpr", "recall_at_5_percent_fpr")
_SHARES = ("safe_blocked", "safe_reviewed", "unsafe_held", "pairs_won")


def _open(name: str) -> TextIO:
    path = Path(name)
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open()


def judge(gate: TextGate, row: dict[str, Any]) -> Judged:
    """One labelled line with the gate's answer. Raises LabelUnknown."""
    found = gate.classify(row["text"])
    return Judged(
        text=row["text"],
        unsafe=unsafe_of(row.get("label", "")),
        source=str(row.get("source", "input")),
        category=str(row.get("category", "")),
        score=found.score,
        outcome=found.outcome,
        twin=str(row.get("twin") or ""),
    )


def table_of(figures: dict[str, Figures]) -> str:
    """Figures as an aligned table for people, a line a source."""
    columns = (*_SHOWN, *_SHARES)
    heads = [name.replace("recall_at_", "r@").replace("_percent_fpr", "%") for name in columns]
    lines = [f"{'':36s}" + "".join(f"{head:>15s}" for head in heads)]
    for name, row in figures.items():
        cells = ["-" if row[key] is None else _cell(row[key]) for key in columns]
        lines.append(f"{name[:35]:36s}" + "".join(f"{cell:>15s}" for cell in cells))
    return "\n".join(lines)


def _cell(value: float | int | None) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"


class Command(BaseCommand):
    """Evaluates the shipped text gate; needs no database."""

    help = (
        "Figures of the text gate on {text, label, source, category} lines (.jsonl or .jsonl.gz)."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--json` prints one JSON object, else a table."""
        parser.add_argument("--input", required=True)
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Classifies every line, then prints. Raises CommandError."""
        try:
            with _open(options["input"]) as source:
                rows = list(read_lines(source))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        gate = TextGate.load()
        gate.self_test()
        progress = Progress(len(rows), "judged")
        judged = []
        for number, row in enumerate(rows, start=1):
            try:
                judged.append(judge(gate, row))
            except LabelUnknown as error:
                raise CommandError(f"row {number}: {error}") from error
            progress.step()
        progress.done()
        found = evaluate(judged)
        if options["json"]:
            gate_facts = {
                "name": gate.name,
                "version": gate.version,
                "weights_sha256": gate.weights_sha256,
            }
            self.stdout.write(json.dumps({"gate": gate_facts, **found}, indent=1))
        else:
            self.stdout.write(table_of({"all": found["all"], **found["sources"]}))
