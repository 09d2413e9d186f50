"""Taking in a picture from outside: by its hash first, then decoded in a sandbox, never trusted."""

import struct
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from moderation.classifiers import media_decoder
from moderation.classifiers.media_headers import Header, MediaRefused, read_header
from moderation.classifiers.protocols import Pixels

MOST_BYTES = 20 << 20
MOST_SIDE, LEAST_SIDE = 8192, 16
LIMIT_S = 20.0
SIZE_HEADER = struct.Struct(">II")


class MediaUnusable(DomainError):
    """The uploaded file is not taken; ``reason`` is a stable word, the detail says what to do."""

    code = "media_unusable"
    title = "The picture cannot be taken"
    status = 400


@dataclass(frozen=True)
class AdmittedMedia:
    """A decoded upload: sRGB pixels, upright and opaque; the file's own SHA-256. Sizes in px."""

    pixels: Pixels
    sha256: str
    media_type: str
    width: int
    height: int


def admit_media(data: bytes) -> AdmittedMedia:
    """The picture in ``data``. Raises MediaUnusable with a reason: too large, truncated, polyglot,
    16-bit, CMYK, animated, or more pixels than allowed. Memory and time are bounded; a decoder that
    crashes takes only its own process with it. Not retryable: the same file fails again.
    """
    try:
        header = _checked_header(data)
        width, height, pixels = _decode_apart(data)
    except MediaRefused as refusal:
        raise MediaUnusable(str(refusal), reason=refusal.code, param="image") from refusal
    if {width, height} != {header.width, header.height}:
        raise MediaUnusable(
            "The file declares another size than it has.", reason="media_malformed", param="image"
        )
    return AdmittedMedia(pixels, sha256_hex(data), header.media_type, width, height)


def _checked_header(data: bytes) -> Header:
    if len(data) > MOST_BYTES:
        raise MediaRefused(
            "media_too_large",
            f"The file has {len(data) >> 20} MiB; at most {MOST_BYTES >> 20} are taken.",
        )
    header = read_header(data)
    sides = (header.width, header.height)
    if max(sides) > MOST_SIDE or header.width * header.height > media_decoder.MOST_PIXELS:
        raise MediaRefused(
            "media_too_many_pixels",
            f"The picture has {header.width} x {header.height} px; at most {MOST_SIDE} a side and "
            f"{media_decoder.MOST_PIXELS // 1_000_000} million in all are taken.",
        )
    if min(sides) < LEAST_SIDE:
        raise MediaRefused("media_too_small", f"A side has fewer than {LEAST_SIDE} px.")
    return header


def _decode_apart(data: bytes) -> tuple[int, int, Pixels]:
    command = [sys.executable, "-I", media_decoder.__file__]
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and file)
            command, input=data, capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise MediaRefused("media_too_slow", "The picture takes too long to decode.") from late
    if done.returncode == media_decoder.UNREADABLE:
        raise MediaRefused(
            "media_truncated", "The file is cut short or damaged. Save it again and send that."
        )
    if done.returncode != 0 or len(done.stdout) < SIZE_HEADER.size:
        raise MediaRefused("media_too_much", "The picture takes too much memory or time to decode.")
    width, height = SIZE_HEADER.unpack_from(done.stdout)
    body = np.frombuffer(done.stdout, dtype=np.uint8, offset=SIZE_HEADER.size)
    if body.size != width * height * 3:
        raise MediaRefused("media_malformed", "The decoder did not give a whole picture.")
    return width, height, body.reshape(height, width, 3)
