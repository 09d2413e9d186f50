"""How the gate does on harm of a kind, or from a source, that it never saw. For the model card.

`python -m moderation.training.text_leave_out [NAME...]`: a NAME is a category of OVERT, or a source. Without
names all of them, one after the other. Trains like the shipped gate but for one epoch and with
few captions and templates, and joins the two models as shipped. A left-out row's
near-duplicates are left out too. Prints a line a name.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from moderation.classifiers.text.evaluation import auprc, auroc, recall_at
from moderation.classifiers.text.features import counts_of
from moderation.training.text_augment import template_rows
from moderation.training.text_calibrate import LINEAR_RATIO
from moderation.training.text_heads import fit_heads, idf_of, matrix_of, targets_of
from moderation.training.text_rows import OVERT_ITEMS, Row, group_rows, read_rows
from moderation.training.text_sets import plain_of
from moderation.training.train_text_gate import data_folder

#: OVERT names the safe and the unsafe half of one category differently.
TOGETHER = {"unethical": "unethical_unsafe_action", "unethical_unsafe_action": "unethical"}
SOURCES = ("overt", "openai-moderation", "hatecheck")
PER_FAMILY, CAPTIONS, PROMPTS = 60, 400, 400


def material(folder: Path) -> tuple[list[Row], list[int]]:
    """Rows to train and judge on, and the group of each; template rows are groups of their own."""
    rows = read_rows(folder)
    groups = group_rows(rows)
    few = {"coco": CAPTIONS, "dpg": CAPTIONS // 2, "partiprompts": PROMPTS, "hatecheck": 600}
    seen: dict[str, int] = {}
    kept: list[int] = []
    for place, row in enumerate(rows):
        seen[row.source] = seen.get(row.source, 0) + 1
        if seen[row.source] <= few.get(row.source, len(rows)):
            kept.append(place)
    templates = template_rows(PER_FAMILY)
    return (
        [rows[place] for place in kept] + templates,
        [groups[place] for place in kept] + [len(rows) + n for n in range(len(templates))],
    )


def is_left_out(name: str) -> Callable[[Row], bool]:
    """Whether a row belongs to the category or source of that name."""
    if name in SOURCES:
        return lambda row: row.source == name
    both = {name, TOGETHER.get(name, name)}
    return lambda row: row.source == "overt" and row.category in both


def leave_out(
    rows: Sequence[Row], groups: Sequence[int], states: Sequence[object], name: str
) -> dict[str, float | int | None]:
    """Figures on the rows of `name`, unseen in training, with what shares their groups."""
    from moderation.training.text_encoder import logits_of, train_encoder  # noqa: PLC0415

    out = is_left_out(name)
    left = [place for place, row in enumerate(rows) if out(row)]
    hidden = {groups[place] for place in left}
    kept = [place for place in range(len(rows)) if groups[place] not in hidden]
    training = [rows[place] for place in kept]
    counts = [counts_of(plain_of(row)) for row in training]
    idf, targets = idf_of(counts), targets_of(training)[:, :1]
    weights, bias = fit_heads(
        matrix_of(counts, idf), targets, np.ones(len(training), np.float32), 8.0
    )
    words = [counts_of(plain_of(rows[place])) for place in left]
    linear = matrix_of(words, idf) @ weights[0] + bias[0]
    encoder, *_ = train_encoder(
        [], targets, epochs=1, rate=7e-5, lowered=[states[place] for place in kept]
    )
    joined = LINEAR_RATIO * linear + logits_of(encoder, [states[place] for place in left])[:, 0]
    truth, scores = [rows[place].unsafe for place in left], joined.tolist()
    return {
        "rows": len(left),
        "auroc": auroc(truth, scores),
        "auprc": auprc(truth, scores),
        "recall at 5 %": recall_at(truth, scores, 0.05),
    }


def main(names: Sequence[str], folder: Path | None = None) -> None:
    """Prints a line a name."""
    from moderation.training.text_encoder import lowered_texts  # noqa: PLC0415

    rows, groups = material(folder or data_folder())
    states = lowered_texts([plain_of(row) for row in rows])
    for name in names or [*(each for each in OVERT_ITEMS if "_unsafe" not in each), *SOURCES]:
        print(name, leave_out(rows, groups, states, name), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
