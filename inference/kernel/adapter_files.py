"""Adapters (LoRA) from any trainer, brought into one form: two matrices a module, alpha equal to rank.

A file without alpha in its metadata loads elsewhere at a silently wrong scale. Here alpha / rank is
multiplied into B once, so that the strength is the only scale left.
"""

import json
import re
from dataclasses import dataclass

import numpy as np

from governance.kernel.errors import DomainError
from inference.kernel.adapter_names import module_name
from inference.kernel.tensor_files import Array, TensorFile, write_tensors

LARGEST_RANK = 128
# The Frobenius norm of a module's change. Trained adapters stay below about 20 on matrices whose own
# norm is about 120 at the real width; an adapter far above replaces the model instead of adapting it.
LARGEST_NORM = 200.0
# Below this share of the largest weight nothing in a picture changes in 8-bit pixels.
SMALLEST_NORM = 1e-6

DOWN = re.compile(r"(.+)\.(?:lora_A|lora_down)(?:\.default)?\.weight")
UP = re.compile(r"(.+)\.(?:lora_B|lora_up)(?:\.default)?\.weight")
ALPHA = re.compile(r"(.+)\.alpha")
REFUSED = (
    (re.compile(r".*\.diff(_b)?$"), "whole differences (.diff) are not taken, only LoRA pairs"),
    (re.compile(r".*\.(dora_scale|lora_magnitude_vector.*)$"), "DoRA is not taken"),
    (re.compile(r".*\.(hada|lokr|oft)_.*"), "LoHa, LoKr and OFT are not taken"),
    (re.compile(r".*\.lora_mid\.weight$"), "convolutional (LoCon) pairs are not taken"),
    (re.compile(r"(lora_te|text_encoder).*"), "the text encoder may not be changed"),
)


class AdapterInvalid(DomainError):
    """The file is no adapter that may be used here; the detail says which part of it, and why."""

    code = "adapter_invalid"
    title = "The adapter cannot be used"
    status = 422


@dataclass(frozen=True)
class Pair:
    """One module's change: B A, with A (rank, in) and B (out, rank)."""

    down: Array
    up: Array

    @property
    def rank(self) -> int:
        """The inner dimension."""
        return int(self.down.shape[0])

    @property
    def norm(self) -> float:
        """Frobenius norm of B A, from the small products: tr((B^T B)(A A^T))."""
        inner = (self.up.T @ self.up) * (self.down @ self.down.T)
        return float(np.sqrt(max(0.0, float(inner.sum()))))


@dataclass(frozen=True)
class Adapter:
    """A normalised adapter: pairs by module."""

    pairs: dict[str, Pair]

    @property
    def rank(self) -> int:
        """The largest rank of its modules."""
        return max(pair.rank for pair in self.pairs.values())

    @property
    def norm(self) -> float:
        """The largest change of a module, as a Frobenius norm."""
        return max(pair.norm for pair in self.pairs.values())

    @property
    def changes_nothing(self) -> bool:
        """Whether every module's change is so small that no picture shows it."""
        return self.norm < SMALLEST_NORM

    def as_file(self) -> bytes:
        """The adapter in diffusers' own format, alpha in the metadata."""
        tensors: dict[str, Array] = {}
        for name, pair in self.pairs.items():
            tensors[f"transformer.{name}.lora_A.weight"] = pair.down
            tensors[f"transformer.{name}.lora_B.weight"] = pair.up
        ranks = {name: pair.rank for name, pair in self.pairs.items()}
        config = {
            "transformer.r": self.rank,
            "transformer.lora_alpha": self.rank,
            "transformer.rank_pattern": ranks,
            "transformer.alpha_pattern": ranks,
            "transformer.target_modules": sorted(ranks),
        }
        return write_tensors(
            tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(config, sort_keys=True)}
        )


def normalised(file: TensorFile) -> Adapter:
    """The adapter in ``file``: PEFT or kohya keys, with or without ``.alpha``. Raises AdapterInvalid."""
    down, up, alphas = sorted_out(file.tensors)
    if not down:
        raise AdapterInvalid("The file holds no LoRA pair (lora_A and lora_B).")
    if down.keys() != up.keys():
        lonely = min(down.keys() ^ up.keys())
        raise AdapterInvalid(f"{lonely} has only one of its two matrices.")
    defaults = metadata_alpha(file.metadata)
    pairs = {name: pair_of(name, down[name], up[name], alphas.get(name, defaults)) for name in down}
    require_usable(pairs)
    return Adapter(pairs)


def sorted_out(
    tensors: dict[str, Array],
) -> tuple[dict[str, Array], dict[str, Array], dict[str, float]]:
    """A matrices, B matrices and alphas by module. Raises AdapterInvalid at the first strange key."""
    down: dict[str, Array] = {}
    up: dict[str, Array] = {}
    alphas: dict[str, float] = {}
    for key, value in tensors.items():
        for pattern, reason in REFUSED:
            if pattern.fullmatch(key):
                raise AdapterInvalid(f"{key}: {reason}.", key=key)
        if match := DOWN.fullmatch(key):
            down[allowed(match.group(1), key)] = value
        elif match := UP.fullmatch(key):
            up[allowed(match.group(1), key)] = value
        elif match := ALPHA.fullmatch(key):
            alphas[allowed(match.group(1), key)] = float(value.reshape(-1)[0]) if value.size else 0
        else:
            raise AdapterInvalid(f"{key} is no part of a LoRA adapter.", key=key)
    return down, up, alphas


def allowed(name: str, key: str) -> str:
    """The module's name. Raises AdapterInvalid where adapters may not change it."""
    module = module_name(name)
    if module is None:
        raise AdapterInvalid(f"{key}: adapters may not change this module.", key=key)
    return module


def metadata_alpha(metadata: dict[str, str]) -> float | None:
    """Alpha as PEFT or kohya wrote it into the metadata; None where the file does not say."""
    for name in ("lora_adapter_metadata", "ss_network_alpha"):
        text = metadata.get(name)
        if text is None:
            continue
        try:
            value = json.loads(text)
            if isinstance(value, dict):
                value = value.get("transformer.lora_alpha", value.get("lora_alpha"))
            return None if value is None else float(value)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise AdapterInvalid(f"The metadata {name} cannot be read.") from error
    return None


def pair_of(name: str, down: Array, up: Array, alpha: float | None) -> Pair:
    """A checked pair with its scale multiplied in. Raises AdapterInvalid."""
    if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:  # noqa: PLR2004
        raise AdapterInvalid(f"{name} has matrices of {down.shape} and {up.shape}: no LoRA pair.")
    if not 1 <= down.shape[0] <= LARGEST_RANK:
        raise AdapterInvalid(f"{name} has rank {down.shape[0]}; at most {LARGEST_RANK} is taken.")
    if not (np.isfinite(down).all() and np.isfinite(up).all()):
        raise AdapterInvalid(f"{name} holds values that are not finite.")
    scale = 1.0 if alpha is None else alpha / down.shape[0]
    return Pair(down, (up * np.float32(scale)).astype(np.float32))


def require_usable(pairs: dict[str, Pair]) -> None:
    """No module's change may be larger than adapters are. Raises AdapterInvalid."""
    for name, pair in pairs.items():
        norm = pair.norm
        if not np.isfinite(norm) or norm > LARGEST_NORM:
            raise AdapterInvalid(
                f"{name} changes the model by a norm of {norm:.0f}; at most {LARGEST_NORM:.0f} is "
                "taken."
            )
