"""Which rows train what: the training part of the labelled rows, thinned, with augmentation."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from moderation.classifiers.text.normalise import clean
from moderation.training.text_augment import template_rows, with_style
from moderation.training.text_rows import Row, group_rows, split_rows

PER_FAMILY = 110


@dataclass(frozen=True)
class Parts:
    """Labelled rows by part. No group, twin or template crosses parts."""

    train: list[Row]
    calibrate: list[Row]
    held_out: list[Row]


def parts_of(rows: Sequence[Row]) -> Parts:
    """Rows by the stable grouped split of `split_rows`."""
    names = split_rows(rows, group_rows(rows))
    chosen: dict[str, list[Row]] = {"train": [], "calibrate": [], "held-out": []}
    for row, name in zip(rows, names, strict=True):
        chosen[name].append(row)
    return Parts(chosen["train"], chosen["calibrate"], chosen["held-out"])


def augmented(train: Sequence[Row], *, captions: int, seed: int = 0) -> list[Row]:
    """Training rows with at most `captions` COCO captions, template rows, and styled copies."""
    rng = random.Random(seed)  # noqa: S311
    coco = [row for row in train if row.source == "coco"]
    rest = [row for row in train if row.source != "coco"]
    coco = rng.sample(coco, min(captions, len(coco)))
    prompts = [row for row in rest if row.source in {"overt", "partiprompts"}] + coco[:600]
    return [*rest, *coco, *template_rows(PER_FAMILY, seed), *with_style(prompts, 0.12, seed)]


def plain_of(row: Row) -> str:
    """The text as the heads read it: the plain view."""
    return " ".join(clean(row.text).lower().split())
