"""How the gate does on harm of a kind, or from a source, that it never saw. For the model card.

`python -m moderation.training.text_leave_out [NAME...]`: a NAME is a category of OVERT, or a source; without
names all of them. The layers are the base model's, never tuned (the shipped ones have seen every
category); both models' heads are fitted without the rows left out and what is like them, and joined as
shipped. So the figures are a lower bound. Prints a line a name.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moderation.classifiers.text.evaluation import Figures, auprc, auroc, recall_at
from moderation.classifiers.text.features import counts_of
from moderation.training.text_augment import template_rows
from moderation.training.text_calibrate import LINEAR_RATIO
from moderation.training.text_heads import HEADS, fit_heads, idf_of, matrix_of, targets_of
from moderation.training.text_rows import OVERT_ITEMS, TOGETHER, Row, group_rows, read_rows
from moderation.training.text_sets import plain_of
from moderation.training.train_text_gate import HEAD_STRENGTH, WEIGHTS, data_folder

SOURCES = ("overt", "openai-moderation", "hatecheck")
#: Rows of the large safe sources that are used, and template rows a family.
FEW = {"coco": 800, "dpg": 200, "partiprompts": 400}
PER_FAMILY = 80
Floats = npt.NDArray[np.float32]


def material(folder: Path) -> tuple[list[Row], list[int]]:
    """Rows to train and judge on, and the group of each; template rows are groups of their own."""
    rows = read_rows(folder)
    groups = group_rows(rows)
    seen: dict[str, int] = {}
    kept: list[int] = []
    for place, row in enumerate(rows):
        seen[row.source] = seen.get(row.source, 0) + 1
        if seen[row.source] <= FEW.get(row.source, len(rows)):
            kept.append(place)
    templates = template_rows(PER_FAMILY)
    return (
        [rows[place] for place in kept] + templates,
        [groups[place] for place in kept] + [len(rows) + n for n in range(len(templates))],
    )


def base_pools(rows: Sequence[Row]) -> Floats:
    """Means of the untuned layers for each row."""
    from moderation.training.text_encoder import load_base, pack_encoder  # noqa: PLC0415
    from moderation.training.text_refit import Pools, arrays_of  # noqa: PLC0415

    encoder, table, vocabulary = load_base(len(HEADS))
    with tempfile.TemporaryDirectory() as place:
        pack_encoder(Path(place), encoder.eval(), table, vocabulary)
        pools = Pools(arrays_of(Path(place)))
    return np.stack([pools.read(plain_of(row)) for row in rows])


def is_left_out(name: str) -> Callable[[Row], bool]:
    """Whether a row belongs to the category or source of that name."""
    if name in SOURCES:
        return lambda row: row.source == name
    both = {name, TOGETHER.get(name, name)}
    return lambda row: row.source == "overt" and row.category in both


def leave_out(rows: Sequence[Row], groups: Sequence[int], pools: Floats, name: str) -> Figures:
    """Figures on the rows of `name`, fitted without them and without what shares their groups."""
    from moderation.training.text_contrast import with_contrast  # noqa: PLC0415
    from moderation.training.text_refit import fit_head  # noqa: PLC0415

    out = is_left_out(name)
    left = [place for place, row in enumerate(rows) if out(row)]
    hidden = {groups[place] for place in left}
    kept = [place for place in range(len(rows)) if groups[place] not in hidden]
    training = [rows[place] for place in kept]
    importance = np.array([WEIGHTS.get(row.source, 1.0) for row in training], np.float32)
    targets = targets_of(training)[:, :1]
    counts = [counts_of(plain_of(row)) for row in training]
    idf = idf_of(counts)
    words, offset = fit_heads(matrix_of(counts, idf), targets, importance, 4.0)
    plain, bias = fit_head(pools[kept], targets, importance, HEAD_STRENGTH)
    deep, shift = with_contrast(pools[kept], training, importance, plain[0], float(bias[0]))
    linear = matrix_of([counts_of(plain_of(rows[place])) for place in left], idf) @ words[0]
    joined = LINEAR_RATIO * (linear + offset[0]) + pools[left] @ deep + shift
    truth, scores = [rows[place].unsafe for place in left], joined.tolist()
    return {
        "rows": len(left),
        "unsafe": sum(truth),
        "auroc": auroc(truth, scores),
        "auprc": auprc(truth, scores),
        "recall_at_5_percent_fpr": recall_at(truth, scores, 0.05),
    }


def main(names: Sequence[str], folder: Path | None = None) -> None:
    """Prints a line a name."""
    rows, groups = material(folder or data_folder())
    pools = base_pools(rows)
    for name in names or [*(each for each in OVERT_ITEMS if "_unsafe" not in each), *SOURCES]:
        print(name, leave_out(rows, groups, pools, name), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
