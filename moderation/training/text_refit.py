"""Refits the encoder's head over the means of all its layers, and puts it into the packed graph.

Fine-tuning draws the last layer towards the harm of the training sets; the lower layers still tell the
world apart. A head that reads all of them, fitted on many more rows than fine-tuning can afford, mistakes
far fewer ordinary prompts for harm. Logistic regression, a minute on one core.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from moderation.classifiers.text.encoder import ENCODER_FILE, TOKEN_LIMIT
from moderation.classifiers.text.gate import windows_of
from moderation.classifiers.text.wordpiece import WordPiece
from moderation.training.text_contrast import with_contrast
from moderation.training.text_encoder import LAYERS
from moderation.training.text_heads import targets_of
from moderation.training.text_rows import Row
from moderation.training.text_sets import plain_of

Floats = npt.NDArray[np.float32]
OUTPUTS = [f"/layers.{layer}/norm2/LayerNormalization_output_0" for layer in range(LAYERS)]
#: Nodes of the head, as exported and as put in by `_with_head`.
HEAD_NODES = ("/ReduceMean", "/head", "logits", "pooled")


def arrays_of(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """What `encoder.npz` holds."""
    with np.load(folder / ENCODER_FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


class Pools:
    """The mean of each layer over a text's first window, one after the other."""

    def __init__(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        graph = onnx.load(io.BytesIO(arrays["graph"].tobytes()))
        for name in OUTPUTS:
            graph.graph.output.append(helper.make_tensor_value_info(name, 1, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._pieces = WordPiece(tuple(json.loads(arrays["vocabulary"].tobytes())))
        self._levels, self._scales = arrays["levels"], arrays["scales"].astype(np.float32)

    def read(self, text: str) -> Floats:
        """LAYERS x width numbers for a cleaned, lower-case text."""
        numbers = self._pieces.encode(windows_of(text)[0], TOKEN_LIMIT)
        words = self._levels[numbers].astype(np.float32) * self._scales[numbers][:, None]
        found = self._session.run(OUTPUTS, {"words": words[None]})
        return np.concatenate([layer[0].mean(axis=0) for layer in found]).astype(np.float32)


def fit_head(
    pools: Floats, targets: npt.NDArray[np.bool_], importance: Floats, strength: float
) -> tuple[Floats, Floats]:
    """Weights (heads x numbers) and biases over unscaled `pools`; `targets` has a column a head."""
    middle, spread = pools.mean(axis=0), pools.std(axis=0) + 1e-6
    scaled = (pools - middle) / spread
    weights = np.zeros((targets.shape[1], pools.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], -12.0, dtype=np.float32)
    for place in range(targets.shape[1]):
        if not targets[:, place].any():
            continue
        model = LogisticRegression(C=strength, max_iter=200)
        model.fit(scaled, targets[:, place], sample_weight=importance)
        weights[place] = model.coef_[0] / spread
        bias[place] = model.intercept_[0] - float(weights[place] @ middle)
    return weights, bias


def refit_head(
    folder: Path, rows: Sequence[Row], importance: Floats, strength: float
) -> tuple[Floats, Floats]:
    """Fits the head on `rows` and rewrites `encoder.npz`; returns what was fitted."""
    arrays = arrays_of(folder)
    reader = Pools(arrays)
    seen: dict[str, Floats] = {}
    for text in dict.fromkeys(plain_of(row) for row in rows):
        seen[text] = reader.read(text)
    pools = np.stack([seen[plain_of(row)] for row in rows])
    weights, bias = fit_head(pools, targets_of(rows), importance, strength)
    weights[0], bias[0] = with_contrast(pools, rows, importance, weights[0], float(bias[0]))
    write_head(folder, arrays, weights, bias)
    return weights, bias


def write_head(
    folder: Path, arrays: dict[str, npt.NDArray[Any]], weights: Floats, bias: Floats
) -> None:
    """Puts the head into the graph of `encoder.npz`, in single precision."""
    graph = onnx.load(io.BytesIO(arrays["graph"].tobytes()))
    _with_head(graph.graph, weights, bias)
    onnx.checker.check_model(graph)
    arrays = arrays | {"graph": np.frombuffer(graph.SerializeToString(), dtype=np.uint8)}
    np.savez_compressed(folder / ENCODER_FILE, **arrays)  # type: ignore[arg-type]


def _with_head(graph: onnx.GraphProto, weights: Floats, bias: Floats) -> None:
    kept = [node for node in graph.node if not node.name.startswith(HEAD_NODES)]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    stored = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(stored)
    means = [f"pooled.{layer}" for layer in range(LAYERS)]
    for output, mean in zip(OUTPUTS, means, strict=True):
        graph.node.append(
            helper.make_node("ReduceMean", [output], [mean], name=mean, axes=[1], keepdims=0)
        )
    graph.node.append(helper.make_node("Concat", means, ["pooled"], name="pooled", axis=1))
    graph.initializer.append(numpy_helper.from_array(weights.T.copy(), "pooled.weight"))
    graph.initializer.append(numpy_helper.from_array(bias.copy(), "pooled.bias"))
    graph.node.append(
        helper.make_node(
            "Gemm", ["pooled", "pooled.weight", "pooled.bias"], ["logits"], name="pooled.head"
        )
    )
