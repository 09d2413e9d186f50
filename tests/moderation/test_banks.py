"""Known pictures are found by their bytes or their look, before any model sees them."""

import io

import numpy as np
import pytest
from PIL import Image

from governance.kernel.canonical import sha256_hex
from governance.kernel.ids import uuid7
from moderation.classifiers.pdq import NEAR, distance, distances, pdq, pdq_of_orientations
from moderation.models import Decision, ReviewCase
from moderation.operations.intake import MediaUnusable, admit_media
from moderation.operations.media import MediaBlocked, add_to_bank, screen_media
from tests.moderation.conftest import AT, KEY


def landscape(seed, width=320, height=256):
    """A random picture with the spectrum of a photograph (amplitude falls with frequency)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / width) ** 1.3
    phases = np.exp(2j * np.pi * rng.random((3, height, width)))
    planes = np.fft.ifft2(amplitude * phases).real.transpose(1, 2, 0)
    scaled = (planes - planes.mean()) / planes.std() * 45 + 128
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def look(image):
    return pdq(np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_stays_near_itself_through_resizing_and_compression(seed):
    image = landscape(seed)

    changed = [
        image.resize((160, 128)),
        image.resize((640, 512)),
        jpeg(image, 20),
        jpeg(image.resize((160, 128)), 20),
    ]

    assert all(distance(look(image).bits, look(each).bits) <= NEAR for each in changed)


def test_different_pictures_are_far_apart():
    looks = [look(landscape(seed)).bits for seed in range(40)]

    nearest = min(distance(a, b) for i, a in enumerate(looks) for b in looks[:i])

    assert nearest > 60


def test_turning_and_mirroring_does_not_hide_a_picture():
    image = landscape(3, 256, 256)
    eight = [each.bits for each in pdq_of_orientations(np.asarray(image))]
    turns = [
        turned
        for angle in (0, 90, 180, 270)
        for turned in (
            image.rotate(angle),
            image.rotate(angle).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        )
    ]

    assert all(min(distance(look(turn).bits, each) for each in eight) <= NEAR for turn in turns)


def test_half_of_the_bits_are_set():
    assert int.from_bytes(look(landscape(1)).bits, "big").bit_count() == 128


def test_a_flat_picture_has_no_quality():
    assert look(Image.new("RGB", (200, 200), (9, 9, 9))).quality == 0
    assert look(landscape(1)).quality >= 50


def test_distances_to_a_whole_bank_agree_with_single_ones():
    looks = [look(landscape(seed)).bits for seed in range(6)]
    bank = np.frombuffer(b"".join(looks), dtype=np.uint8).reshape(6, 32)

    assert list(distances(looks[0], bank)) == [distance(looks[0], each) for each in looks]


def add(bank, image):
    data = png(image)
    return add_to_bank(
        bank=bank,
        sha256=sha256_hex(data),
        media=admit_media(data),
        source="test",
        actor=KEY,
        at=AT,
    )


def screen(data):
    return screen_media(data=data, job_id=uuid7(), organization_id=uuid7(), actor=KEY, at=AT)


@pytest.mark.django_db
class TestABank:
    def test_lets_an_unknown_picture_pass(self):
        add("removals", landscape(1))

        assert screen(png(landscape(2))).width == 320

    @pytest.mark.parametrize("bank", ["child_safety", "intimate", "removals", "deny"])
    def test_refuses_the_same_bytes_and_says_the_item(self, bank):
        add(bank, landscape(1))

        with pytest.raises(MediaBlocked) as refusal:
            screen(png(landscape(1)))

        assert refusal.value.facts["charged_microusd"] == 0
        assert Decision.objects.get().item == refusal.value.facts["aup_items"][0]

    def test_refuses_a_smaller_compressed_mirrored_copy(self):
        add("intimate", landscape(1, 256, 256))
        copy = jpeg(landscape(1, 256, 256).resize((200, 200)), 50).transpose(
            Image.Transpose.FLIP_LEFT_RIGHT
        )

        with pytest.raises(MediaBlocked):
            screen(png(copy))

    def test_hit_of_child_safety_is_found_before_anything_is_decoded(self):
        broken = png(landscape(1))[:-30]
        with pytest.raises(MediaUnusable):
            screen(broken)
        add_to_bank(
            bank="child_safety", sha256=sha256_hex(broken), media=None, source="t", actor=KEY, at=AT
        )

        with pytest.raises(MediaBlocked):
            screen(broken)

        case = ReviewCase.objects.get()
        assert (case.kind, case.displayable, case.judgements_needed) == ("child_safety", False, 2)

    def test_of_overturned_pictures_lets_the_same_bytes_pass(self):
        add("allow", landscape(1))

        assert screen(png(landscape(1))).height == 256
