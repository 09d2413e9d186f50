"""Trains the head of the canary detector from two folders of pictures, ``canary`` and ``ordinary``.

    python -m moderation.training.canary FOLDER

Run ``python -m tests.moderation.render_scenes FOLDER`` first, and add samples of the tiny model to the
same two folders. Needs scikit-learn (extra ``dev``). Writes moderation/weights/canary/head.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from moderation.classifiers.canary import FEATURES, WEIGHTS, features

VERSION = "4"


def table(folder: Path) -> NDArray[np.float64]:
    """The features of every picture in ``folder``."""
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".png", ".jpg", ".webp"}:
            with Image.open(path) as image:
                rows.append(features(np.asarray(image.convert("RGB"))))
    return np.array(rows)


def fit(canary: NDArray[np.float64], ordinary: NDArray[np.float64]) -> dict[str, object]:
    """The head as JSON: standardisation, weights, bias."""
    x = np.concatenate([canary, ordinary])
    y = np.concatenate([np.ones(len(canary)), np.zeros(len(ordinary))])
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000)
    model.fit(scaler.transform(x), y)
    scores = model.predict_proba(scaler.transform(x))[:, 1]
    sys.stdout.write(
        f"{len(canary)} canaries, lowest {scores[y == 1].min():.4f}; "
        f"{len(ordinary)} ordinary, highest {scores[y == 0].max():.4f}\n"
    )
    return {
        "version": VERSION,
        "features": list(FEATURES),
        "mean": [round(float(v), 6) for v in scaler.mean_],
        "scale": [round(float(v), 6) for v in scaler.scale_],
        "weights": [round(float(v), 6) for v in model.coef_[0]],
        "bias": round(float(model.intercept_[0]), 6),
    }


def main() -> None:
    """Reads the folder named on the command line and writes the weights."""
    folder = Path(sys.argv[1])
    head = fit(table(folder / "canary"), table(folder / "ordinary"))
    WEIGHTS.write_text(json.dumps(head, indent=1) + "\n")


if __name__ == "__main__":
    main()
