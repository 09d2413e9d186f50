"""Leave-one-category-out: trains without one OVERT category, measures on it. For the model card.

`python -m moderation.training.text_leave_out CATEGORY...`; one epoch of the encoder instead of four,
without HateCheck and with few captions; the linear heads are joined as shipped. Template rows stay.
"""

import sys
from pathlib import Path

import numpy as np

from moderation.classifiers.text.evaluation import auroc, recall_at
from moderation.classifiers.text.features import counts_of
from moderation.classifiers.text.wordpiece import WordPiece
from moderation.training.text_calibrate import LINEAR_RATIO
from moderation.training.text_heads import fit_heads, idf_of, matrix_of, targets_of
from moderation.training.text_rows import Row, read_rows
from moderation.training.text_sets import augmented, plain_of
from moderation.training.train_text_gate import data_folder

#: OVERT names the safe and the unsafe half of one category differently.
TOGETHER = {"unethical": "unethical_unsafe_action"}


def leave_out(rows: list[Row], category: str, epochs: int) -> tuple[float | None, float | None]:
    """AUROC and recall at 5 % false positives on `category`, unseen in training."""
    import torch  # noqa: PLC0415

    from moderation.training.text_encoder import train_encoder  # noqa: PLC0415

    left = [row for row in rows if row.source == "overt" and row.category in _both(category)]
    kept = [row for row in rows if not (row.source == "overt" and row.category in _both(category))]
    seen = {row.text for row in left} | {row.twin for row in left}
    training = augmented([row for row in kept if row.text not in seen], captions=400)
    counts = [counts_of(plain_of(row)) for row in training]
    idf = idf_of(counts)
    targets = targets_of(training)[:, :1]
    weights, bias = fit_heads(
        matrix_of(counts, idf), targets, np.ones(len(training), np.float32), 8.0
    )
    linear = matrix_of([counts_of(plain_of(row)) for row in left], idf) @ weights[0] + bias[0]
    texts = [plain_of(row) for row in training]
    encoder, table, vocabulary = train_encoder(texts, targets, epochs=epochs, rate=7e-5)
    pieces = WordPiece(vocabulary)
    with torch.inference_mode():
        deep = [
            float(encoder(table[pieces.encode(plain_of(row), 112)][None])[0, 0]) for row in left
        ]
    joined = (LINEAR_RATIO * linear + np.array(deep)).tolist()
    truth = [row.unsafe for row in left]
    return auroc(truth, joined), recall_at(truth, joined, 0.05)


def _both(category: str) -> set[str]:
    return {category, TOGETHER.get(category, category)}


def main(categories: list[str], folder: Path | None = None) -> None:
    """Prints a line per category."""
    rows = [row for row in read_rows(folder or data_folder()) if row.source != "hatecheck"]
    for category in categories:
        ranked, recall = leave_out(rows, category, epochs=1)
        print(f"{category}: AUROC {ranked}, recall at 5 % {recall}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
