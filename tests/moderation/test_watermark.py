"""The watermark is read from what people do to pictures, and from nothing else."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from inference.engine.tiny import scenes
from moderation.operations.marking import Claim, with_provenance
from moderation.provenance import code, comb, watermark

MARK = 0x5EED0F00D123
# Computed once; every mark in the world depends on it.
GOLDEN = 420833762194543020


def encoded(image, quality):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def half(image):
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def cropped(image):
    width, height = round(image.width * 0.9**0.5), round(image.height * 0.9**0.5)
    return image.crop((9, 4, 9 + width, 4 + height))


def screenshot(image):
    small = image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.BILINEAR)
    page = Image.new("RGB", (small.width + 90, small.height + 130), (245, 245, 247))
    page.paste(small, (31, 57))
    return encoded(page, 80)


ATTACKS = {
    "re-encoded at 75": lambda image: encoded(image, 75),
    "half the size": half,
    "cropped to 90 %": cropped,
    "a screenshot": screenshot,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
}


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def claim(mark):
    return Claim("krea-2-tiny-turbo", (), "00000000-0000-0000-0000-000000000000", "0" * 64, mark)


@pytest.fixture(scope="module")
def marked():
    """A released scene of 256 px, its mark, and the picture as it was."""
    pixels = scenes.render(scenes.sample_scene(np.random.default_rng(3)), 256, 256)
    made = with_provenance(picture=pixels, encode=png, claim=claim)
    return (
        Image.open(io.BytesIO(made.data)).convert("RGB"),
        int(made.facts["watermark"], 16),
        pixels,
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_mark_outlives(marked, attack):
    image, mark, _ = marked

    found = watermark.read(np.asarray(ATTACKS[attack](image)), search=True)

    assert found is not None
    assert found.mark == mark


def test_the_mark_does_not_show(marked):
    image, _, pixels = marked

    assert watermark.psnr(pixels, np.asarray(image)) > 36


def test_a_large_picture_is_marked_and_read_as_well():
    pixels = scenes.render(scenes.sample_scene(np.random.default_rng(4)), 704, 512)
    made = watermark.Marker(pixels, MARK).strengthen(0.1)

    found = watermark.read(np.asarray(half(Image.fromarray(made))))

    assert found is not None
    assert found.mark == MARK


@pytest.mark.parametrize("seed", range(12))
def test_an_unmarked_picture_and_noise_carry_no_mark(seed):
    rng = np.random.default_rng(seed)
    scene = scenes.render(scenes.sample_scene(rng), 192, 192)
    noise = rng.integers(0, 256, (192, 192, 3), dtype=np.uint8)

    assert watermark.read(scene, search=True) is None
    assert watermark.read(noise, search=True) is None


def test_below_64_px_no_mark_fits():
    with pytest.raises(watermark.TooSmall):
        watermark.Marker(np.zeros((63, 400, 3), np.uint8), MARK)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, code.LARGEST_MARK))
def test_a_code_word_is_read_back_through_noise(mark):
    noise = np.random.default_rng(mark).normal(0, 1.2, code.SIGNS)

    found, fit = code.decode(code.encode(mark) + noise)

    assert found == mark
    assert fit > 0.5


def test_the_code_never_changes():
    signs = code.encode(MARK)

    digest = int("".join("1" if sign > 0 else "0" for sign in signs), 2) % (2**61 - 1)
    assert digest == GOLDEN


def test_noise_alone_is_no_code_word():
    rng = np.random.default_rng(1)

    fits = [code.decode(rng.normal(0, 1, code.SIGNS))[1] for _ in range(200)]

    assert max(fits) < watermark.LEAST_FIT


def test_the_comb_s_own_frequencies_are_exact_for_any_period():
    rng = np.random.default_rng(2)
    wanted = (rng.normal(size=362) + 1j * rng.normal(size=362)).astype(np.complex64)
    plane = comb.pattern(wanted, (320, 288), 41.7)

    found = comb.spectrum(plane * comb.window(plane.shape), 41.7)

    assert np.abs(found - wanted).mean() < 0.15 * np.abs(wanted).mean()
