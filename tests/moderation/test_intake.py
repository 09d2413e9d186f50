"""Uploaded files: bombs, polyglots and broken pictures are refused clearly, in bounded memory."""

import io
import os
import resource
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from moderation.classifiers.media_headers import MediaRefused, read_header
from moderation.operations.intake import MOST_BYTES, MediaUnusable, admit_media


def picture(width=48, height=32, mode="RGB"):
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).convert(mode)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width, height, rows, depth=8, colour=2, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def bomb(width, height):
    """A PNG of a few kilobytes that unpacks to width x height px."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + 3 * width)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png_of(width, height, rows)


FRAMES = [picture(), picture().rotate(90)]
REFUSED = {
    "nothing": (b"", "media_type"),
    "text": (b"hello", "media_type"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "media_type"),
    "gif": (saved(picture(), "GIF"), "media_type"),
    "tiff": (saved(picture(), "TIFF"), "media_type"),
    "too many bytes": (b"\x89PNG\r\n\x1a\n" + bytes(MOST_BYTES), "media_too_large"),
    "huge side": (png_of(100_000, 10, b""), "media_too_many_pixels"),
    "huge area": (png_of(8000, 8000, b""), "media_too_many_pixels"),
    "largest numbers": (png_of(2**32 - 1, 2**32 - 1, b""), "media_too_many_pixels"),
    "no size": (png_of(0, 0, b""), "media_too_small"),
    "16 bits": (png_of(16, 16, b"", depth=16), "media_depth"),
    "16-bit gray": (
        saved(Image.fromarray(np.zeros((32, 32), np.uint16)), "PNG"),
        "media_depth",
    ),
    "cmyk": (saved(picture(mode="CMYK"), "JPEG"), "media_cmyk"),
    "animated png": (
        saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
        "media_animated",
    ),
    "animated webp": (
        saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
        "media_animated",
    ),
    "truncated png": (saved(picture(), "PNG")[:-20], "media_truncated"),
    "truncated jpeg": (saved(picture(), "JPEG")[:-20], "media_truncated"),
    "truncated webp": (saved(picture(), "WEBP")[:-20], "media_truncated"),
    "short pixel data": (png_of(64, 64, zlib.compress(b"\0" * 100)), "media_truncated"),
    "zip behind png": (saved(picture(), "PNG") + b"PK\x03\x04zip", "media_polyglot"),
    "html behind jpeg": (saved(picture(), "JPEG") + b"<script>", "media_polyglot"),
    "pdf behind webp": (saved(picture(), "WEBP") + b"%PDF-1.7", "media_polyglot"),
    "second png behind png": (saved(picture(), "PNG") * 2, "media_polyglot"),
    "program in metadata": (
        png_of(16, 16, b"", extra=chunk(b"tEXt", b"MZ" + bytes(2 << 20))),
        "media_metadata",
    ),
    "wrong checksum": (saved(picture(), "PNG").replace(b"IDAT", b"IDAX"), "media_malformed"),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_is_no_plain_picture_is_refused_with_its_reason(data, reason):
    with pytest.raises(MediaUnusable) as refusal:
        admit_media(data)

    assert refusal.value.facts["reason"] == reason
    assert refusal.value.status == 400
    assert refusal.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGB")],
)
def test_a_plain_picture_is_taken(kind, mode):
    data = saved(picture(mode=mode), kind)

    media = admit_media(data)

    assert media.pixels.shape == (32, 48, 3)
    assert media.media_type == f"image/{kind.lower()}"


def test_a_picture_is_turned_upright_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(picture(), "JPEG", exif=exif)

    assert admit_media(data).pixels.shape == (48, 32, 3)


def test_what_is_hidden_under_transparency_does_not_come_in():
    hidden = np.zeros((32, 32, 4), np.uint8)
    hidden[..., 0] = 255

    media = admit_media(saved(Image.fromarray(hidden), "PNG"))

    assert (media.pixels == 255).all()


def test_a_decompression_bomb_is_refused_before_anything_is_unpacked():
    data = bomb(8191, 6000)
    assert len(data) < 1 << 20

    with pytest.raises(MediaUnusable) as refusal:
        admit_media(data)

    assert refusal.value.facts["reason"] == "media_too_many_pixels"


def test_the_largest_picture_allowed_stays_within_bounded_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    media = admit_media(bomb(8000, 5000))

    assert media.pixels.size == 120_000_000
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 700_000


def test_a_bomb_in_the_metadata_does_not_unpack():
    text = b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9)
    data = png_of(16, 16, zlib.compress(b"\0" * 49 * 16), extra=chunk(b"zTXt", text))

    with pytest.raises(MediaUnusable):
        admit_media(data)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.data())
def test_no_damage_to_a_file_crashes_the_reader(kind, draws):
    data = bytearray(saved(picture(), kind))
    for _ in range(draws.draw(st.integers(1, 6))):
        place = draws.draw(st.integers(0, len(data) - 1))
        data[place] = draws.draw(st.integers(0, 255))
    cut = draws.draw(st.integers(0, len(data)))

    try:
        read_header(bytes(data[:cut]) if cut % 2 else bytes(data))
    except MediaRefused as refusal:
        assert refusal.code.startswith("media_")  # noqa: PT017 (not every damage is seen)


@settings(max_examples=200)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF....WEBP"]),
)
def test_no_noise_behind_a_signature_crashes_the_reader(noise, signature):
    with pytest.raises(MediaRefused):
        read_header(signature + noise)


def test_the_decoders_crash_is_no_crash_of_ours(monkeypatch, tmp_path):
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr("moderation.classifiers.media_decoder.__file__", os.fspath(crash))

    with pytest.raises(MediaUnusable) as refusal:
        admit_media(saved(picture(), "PNG"))

    assert refusal.value.facts["reason"] == "media_too_much"
