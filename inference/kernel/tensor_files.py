"""Reading and writing .safetensors without torch, for the web process. Nothing in it is executed."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from governance.kernel.errors import DomainError

Array = NDArray[np.float32]
LENGTH = struct.Struct("<Q")
SMALLEST_HEADER, MOST_HEADER_BYTES = len(b"{}"), 8 << 20
MOST_SIDES = 8
ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


class TensorFileInvalid(DomainError):
    """The file is no safetensors file of floating-point tensors; the detail says where it fails."""

    code = "tensor_file_invalid"
    title = "The file cannot be read"
    status = 400


@dataclass(frozen=True)
class TensorFile:
    """Tensors as float32 by name, and the file's own metadata."""

    tensors: dict[str, Array]
    metadata: dict[str, str]


def read_tensors(data: bytes) -> TensorFile:
    """All tensors of a .safetensors file. Raises TensorFileInvalid; never reads outside ``data``."""
    header, start = read_header(data)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise TensorFileInvalid("The file's metadata is no object.")
    body = memoryview(data)[start:]
    require_apart(header, len(body))
    tensors = {name: read_tensor(name, entry, body) for name, entry in header.items()}
    return TensorFile(tensors, {str(key): str(value) for key, value in metadata.items()})


def read_header(data: bytes) -> tuple[dict[str, object], int]:
    """The header's entries and where the tensors begin, in bytes. Raises TensorFileInvalid."""
    if len(data) < LENGTH.size:
        raise TensorFileInvalid("The file is too short to be a .safetensors file.")
    (length,) = LENGTH.unpack_from(data)
    if not SMALLEST_HEADER <= length <= min(MOST_HEADER_BYTES, len(data) - LENGTH.size):
        raise TensorFileInvalid("The file is no .safetensors file. Pickled files are not taken.")
    start = LENGTH.size + length
    try:
        header = json.loads(data[LENGTH.size : start])
    except (ValueError, RecursionError) as error:
        raise TensorFileInvalid("The header of the file is not JSON.") from error
    if not isinstance(header, dict):
        raise TensorFileInvalid("The header of the file is no object.")
    return header, start


def require_apart(header: dict[str, object], size: int) -> None:
    """Tensors share no bytes, else a small file would fill the memory. Raises TensorFileInvalid."""
    claimed = 0
    for name, entry in header.items():
        ends = counts(name, entry.get("data_offsets")) if isinstance(entry, dict) else []
        claimed += max(0, ends[-1] - ends[0]) if ends else 0
        if claimed > size:
            raise TensorFileInvalid(f"{name} shares its bytes with another tensor.")


def read_tensor(name: str, entry: object, body: memoryview) -> Array:
    """One tensor as float32. Raises TensorFileInvalid."""
    if not isinstance(entry, dict):
        raise TensorFileInvalid(f"The entry of {name} is no object.")
    kind, shape, offsets = str(entry.get("dtype")), entry.get("shape"), entry.get("data_offsets")
    if kind not in ITEM_BYTES:
        raise TensorFileInvalid(f"{name} has the type {kind}; F32, F16 and BF16 are taken.")
    sides, ends = counts(name, shape), counts(name, offsets)
    if len(ends) != len(("first", "last")):
        raise TensorFileInvalid(f"{name} has no proper place.")
    first, last = ends
    if len(sides) > MOST_SIDES or max(sides, default=0) > len(body):
        raise TensorFileInvalid(f"{name} has a shape that no tensor has.")
    size = math.prod(sides) * ITEM_BYTES[kind]
    if not 0 <= first <= last <= len(body) or last - first != size:
        raise TensorFileInvalid(f"{name} does not lie where the header says.")
    return as_float32(kind, body[first:last]).reshape(sides)


def as_float32(kind: str, raw: memoryview) -> Array:
    """Little-endian numbers as float32; bfloat16 is float32's upper half."""
    if kind == "F32":
        return np.frombuffer(raw, dtype="<f4").copy()
    if kind == "F16":
        return np.frombuffer(raw, dtype="<f2").astype(np.float32)
    return (np.frombuffer(raw, dtype="<u2").astype(np.uint32) << 16).view(np.float32)


def counts(name: str, value: object) -> list[int]:
    """A list of whole numbers, none negative. Raises TensorFileInvalid."""
    if not isinstance(value, list) or not all(type(each) is int and each >= 0 for each in value):
        raise TensorFileInvalid(f"{name} has no proper shape or place.")
    return value


def write_tensors(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """A .safetensors file of float32 tensors, in the order of their names: the same bytes every time."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    parts, place = [], 0
    for name in sorted(tensors):
        raw = np.ascontiguousarray(tensors[name], dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [place, place + len(raw)],
        }
        parts.append(raw)
        place += len(raw)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([LENGTH.pack(len(head)), head, *parts])
