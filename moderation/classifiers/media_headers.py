"""What an uploaded file says of itself, read without decoding a pixel. Pure, bounded by its length.

A file is taken only if it is one image from its first byte to its last: something behind the end, or
a second format inside, is how a file is made to look harmless to one reader and not to another.
"""

import struct
import zlib
from dataclasses import dataclass

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_COLOURS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
MOST_METADATA = 1 << 20
MOST_BLOCKS = 65_536
# JPEG markers without a length, and the frame headers (baseline, extended, progressive).
JPEG_BARE = {0x01, *range(0xD0, 0xD8)}
JPEG_FRAMES = {0xC0, 0xC1, 0xC2}
# All markers that carry a size; those that are no frames of the usual kinds are refused.
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
JPEG_END, JPEG_SCAN = 0xD9, 0xDA
EIGHT_BITS, CMYK_CHANNELS = 8, 4


class MediaRefused(Exception):
    """The file is not taken. ``code`` is stable; the message says what is wrong and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Header:
    """What the file declares: its media type and the picture's size in px."""

    media_type: str
    width: int
    height: int


def read_header(data: bytes) -> Header:
    """The header of a PNG, JPEG or WebP file that is nothing else besides. Raises MediaRefused."""
    if data.startswith(PNG_SIGNATURE):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    raise MediaRefused("media_type", "Only PNG, JPEG and WebP files are taken.")


def _png(data: bytes) -> Header:
    header: Header | None = None
    at, metadata = len(PNG_SIGNATURE), 0
    for _ in range(MOST_BLOCKS):
        kind, body = _png_chunk(data, at)
        at += len(body) + 12
        if header is None:
            header = _png_size(kind, body)
        elif kind == b"acTL":
            raise MediaRefused("media_animated", "Animated pictures are not taken. Send one frame.")
        elif kind == b"IEND":
            return _whole(header, at, data)
        elif kind not in {b"IDAT", b"PLTE"}:
            metadata += len(body)
            _check_metadata(metadata)
    raise MediaRefused("media_malformed", "The PNG file has too many parts.")


def _png_chunk(data: bytes, at: int) -> tuple[bytes, bytes]:
    if at + 12 > len(data):
        raise _truncated()
    (length,) = struct.unpack_from(">I", data, at)
    if at + 12 + length > len(data):
        raise _truncated()
    kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
    (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
    if zlib.crc32(kind + body) != checksum:
        raise MediaRefused("media_malformed", "The PNG file is damaged (checksum).")
    return kind, body


def _png_size(kind: bytes, body: bytes) -> Header:
    if kind != b"IHDR" or len(body) != 13:  # noqa: PLR2004 (PNG, 11.2.2)
        raise MediaRefused("media_malformed", "The PNG file does not begin with its header.")
    width, height, depth, colour = struct.unpack_from(">IIBB", body)
    if depth > EIGHT_BITS:
        raise MediaRefused(
            "media_depth", f"The picture has {depth} bits a channel. Send it with 8."
        )
    if colour not in PNG_COLOURS:
        raise MediaRefused("media_malformed", "The PNG file names an unknown colour type.")
    return Header("image/png", width, height)


def _jpeg(data: bytes) -> Header:
    header: Header | None = None
    at, metadata = 2, 0
    for _ in range(MOST_BLOCKS):
        marker, at = _jpeg_marker(data, at)
        if marker == JPEG_END:
            if header is None:
                raise MediaRefused("media_malformed", "The JPEG file holds no picture.")
            return _whole(header, at, data)
        if marker in JPEG_BARE:
            continue
        length = _jpeg_length(data, at)
        if marker in JPEG_SIZES:
            header = _jpeg_size(marker, data, at)
        elif marker == JPEG_SCAN:
            at = _jpeg_scan_end(data, at + length)
            continue
        elif marker >= 0xE0:  # noqa: PLR2004 (application data and comments)
            metadata += length
            _check_metadata(metadata)
        at += length
    raise MediaRefused("media_malformed", "The JPEG file has too many parts.")


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int]:
    if at + 2 > len(data):
        raise _truncated()
    if data[at] != 0xFF:  # noqa: PLR2004 (every marker begins so)
        raise MediaRefused("media_malformed", "The JPEG file is damaged.")
    while at + 1 < len(data) and data[at + 1] == 0xFF:  # noqa: PLR2004 (fill bytes)
        at += 1
    if at + 1 >= len(data):
        raise _truncated()
    return data[at + 1], at + 2


def _jpeg_length(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise _truncated()
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 2 or at + length > len(data):  # noqa: PLR2004 (the length counts itself)
        raise _truncated()
    return length


def _jpeg_size(marker: int, data: bytes, at: int) -> Header:
    if marker not in JPEG_FRAMES or at + 8 > len(data):
        raise MediaRefused("media_type", "This kind of JPEG (lossless or arithmetic) is not taken.")
    depth, height, width, channels = struct.unpack_from(">BHHB", data, at + 2)
    if depth != EIGHT_BITS:
        raise MediaRefused(
            "media_depth", f"The picture has {depth} bits a channel. Send it with 8."
        )
    if channels == CMYK_CHANNELS:
        raise MediaRefused("media_cmyk", "The picture is in CMYK, for print. Send it in sRGB.")
    return Header("image/jpeg", width, height)


def _jpeg_scan_end(data: bytes, at: int) -> int:
    """The first marker behind the entropy-coded data of a scan."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise _truncated()
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:  # noqa: PLR2004 (restarts)
            return at
        at += 2


def _webp(data: bytes) -> Header:
    (length,) = struct.unpack_from("<I", data, 4) if len(data) >= 8 else (0,)  # noqa: PLR2004
    if length + 8 > len(data):
        raise _truncated()
    header: Header | None = None
    at, metadata = 12, 0
    while at + 8 <= length + 8:
        kind = data[at : at + 4]
        (size,) = struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + size]
        if len(body) != size:
            raise _truncated()
        if kind in {b"ANIM", b"ANMF"}:
            raise MediaRefused("media_animated", "Animated pictures are not taken. Send one frame.")
        if header is None:
            header = _webp_size(kind, body)
        elif kind not in {b"VP8 ", b"VP8L", b"ALPH"}:
            metadata += size
            _check_metadata(metadata)
        at += 8 + size + size % 2
    if header is None:
        raise MediaRefused("media_malformed", "The WebP file holds no picture.")
    return _whole(header, length + 8, data)


def _webp_size(kind: bytes, body: bytes) -> Header:
    if kind == b"VP8X" and len(body) >= 10:  # noqa: PLR2004 (WebP container, extended header)
        if body[0] & 0x02:
            raise MediaRefused("media_animated", "Animated pictures are not taken. Send one frame.")
        width = 1 + int.from_bytes(body[4:7], "little")
        return Header("image/webp", width, 1 + int.from_bytes(body[7:10], "little"))
    if kind == b"VP8 " and len(body) >= 10:  # noqa: PLR2004 (VP8 key frame header)
        width, height = struct.unpack_from("<HH", body, 6)
        return Header("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and len(body) >= 5:  # noqa: PLR2004 (VP8L header)
        bits = int.from_bytes(body[1:5], "little")
        return Header("image/webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    raise MediaRefused("media_malformed", "The WebP file does not begin with a picture.")


def _whole(header: Header, end: int, data: bytes) -> Header:
    if end != len(data):
        raise MediaRefused(
            "media_polyglot",
            f"{len(data) - end} bytes follow the end of the picture. Save it again and send that.",
        )
    return header


def _check_metadata(size: int) -> None:
    if size > MOST_METADATA:
        raise MediaRefused(
            "media_metadata", "The file holds more than 1 MiB besides the picture. Remove it."
        )


def _truncated() -> MediaRefused:
    return MediaRefused("media_truncated", "The file is cut short. Send it whole.")
