"""Writes the held-out figures into the model card, between its markers.

`python -m moderation.training.text_card` after training; a test compares card and metrics.json.
"""

import json
from pathlib import Path
from typing import Any

from moderation.classifiers.text.weights import FOLDER

CARD = Path(__file__).resolve().parents[2] / "docs" / "model-card-text-gate.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
KEYS = (
    "rows",
    "unsafe",
    "auroc",
    "auprc",
    "recall_at_1_percent_fpr",
    "recall_at_5_percent_fpr",
    "safe_blocked",
    "safe_reviewed",
    "unsafe_held",
    "pairs_won",
)
HEADS = (
    "rows",
    "unsafe",
    "AUROC",
    "AUPRC",
    "recall at 1 % FPR",
    "recall at 5 % FPR",
    "safe blocked",
    "safe reviewed",
    "unsafe held",
    "above its twin",
)


def cell_of(value: float | int | None) -> str:
    """A figure as the card shows it: counts whole, shares to three places, `-` for none."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def table_of(rows: dict[str, Any], first: str) -> str:
    """A Markdown table, a line a name."""
    lines = [f"| {first} | {' | '.join(HEADS)} |", "|---" * (len(HEADS) + 1) + "|"]
    for name, figures in rows.items():
        cells = " | ".join(cell_of(figures[key]) for key in KEYS)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Replaces what stands between the markers."""
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    sources = {f"`{name}`": figures for name, figures in metrics["sources"].items()}
    overt = {
        name: figures for name, figures in metrics["categories"].items() if name.startswith("overt")
    }
    body = (
        f"Version {metrics['version']}, weights SHA-256 `{metrics['weights_sha256']}`.\n\n"
        f"{table_of(sources, 'source')}\n\n{table_of(overt, 'category of OVERT')}"
    )
    card = CARD.read_text(encoding="utf-8")
    before, rest = card.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    CARD.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
