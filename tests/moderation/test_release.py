"""Pixels become bytes only through the gate, and the bytes carry its receipt."""

import copy
import dataclasses
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from governance.kernel.canonical import sha256_hex
from governance.kernel.ids import uuid7
from moderation.kernel.passes import NotFromTheGate, ReleasedImage
from moderation.operations.release import (
    GateUnavailable,
    ImageBlocked,
    ImageHeld,
    ImageUnusable,
    ReceiptInvalid,
    release_image,
    verify_receipt,
)
from tests.moderation import fakes
from tests.moderation.conftest import bright, dark, screened


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def webp(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def never(pixels):
    raise AssertionError("what is not allowed is not encoded")


def release(pixels, *, encode=png, prompt=None, job_id=None, attempt=1, index=0):
    job = job_id or (prompt.job_id if prompt else uuid7())
    return release_image(
        pixels=pixels,
        encode=encode,
        prompt=prompt or screened(job_id=job),
        job_id=job,
        attempt=attempt,
        index=index,
        release_slug="krea-2-tiny-turbo",
    )


@pytest.mark.parametrize("encode", [png, webp])
def test_an_allowed_picture_leaves_as_bytes_with_a_receipt_bound_to_them(gate, encode):
    job = uuid7()

    image = release(bright(), encode=encode, job_id=job)

    assert image.sha256 == sha256_hex(image.data)
    assert (image.width, image.height) == (64, 64)
    assert image.receipt["verdicts"][0]["scores_ppm"] == {"harm": 10000}
    verify_receipt(data_sha256=image.sha256, receipt=image.receipt, job_id=job, attempt=1, index=0)


@pytest.mark.parametrize(
    "change",
    [
        {"data_sha256": "0" * 64},
        {"job_id": uuid7()},
        {"attempt": 2},
        {"index": 1},
    ],
)
def test_a_receipt_fits_no_other_bytes_job_attempt_or_place(gate, change):
    job = uuid7()
    image = release(bright(), job_id=job)
    fitting = {
        "data_sha256": image.sha256,
        "receipt": image.receipt,
        "job_id": job,
        "attempt": 1,
        "index": 0,
    }

    with pytest.raises(ReceiptInvalid):
        verify_receipt(**{**fitting, **change})


def test_a_prompt_receipt_is_no_image_receipt(gate):
    prompt = screened()

    with pytest.raises(ReceiptInvalid):
        verify_receipt(
            data_sha256="0" * 64,
            receipt=prompt.receipt,
            job_id=prompt.job_id,
            attempt=0,
            index=0,
        )


def test_a_picture_against_the_policy_is_refused_and_never_encoded(gate):
    with pytest.raises(ImageBlocked) as refusal:
        release(dark(), encode=never)

    assert refusal.value.facts["stage"] == "output"
    assert refusal.value.facts["aup_items"] == ["7"]
    assert refusal.value.facts["charged_microusd"] == 0
    assert refusal.value.verdicts[0].subject_kind == "image"


def test_a_doubtful_picture_is_held_and_never_encoded(gate):
    with pytest.raises(ImageHeld):
        release((bright() // 2).astype(np.uint8), encode=never)


@pytest.mark.parametrize("fault", fakes.FAULTS, ids=lambda fault: fault.__name__)
def test_a_classifier_that_gives_no_usable_answer_withholds_the_picture(gate, fault):
    gate.use(faulty=fault, output_names=("sound", "faulty"), timeout_ms=150)

    with pytest.raises(GateUnavailable) as refusal:
        release(bright(), encode=never)

    assert [each.status for each in refusal.value.verdicts] == ["done", "failed"]


@pytest.mark.parametrize(
    ("pixels", "word"),
    [
        (np.zeros((64, 64, 3), np.uint8), "flat"),
        (np.full((64, 64, 3), 255, np.uint8), "flat"),
        (np.broadcast_to(np.array([255, 0, 9], np.uint8), (64, 64, 3)), "flat"),
        (np.full((64, 64, 3), np.nan, np.float32), "finite"),
        (np.ones((64, 64, 3), np.float32), "8 bits"),
        (np.zeros((64, 64), np.uint8), "no picture"),
        (np.zeros((64, 64, 4), np.uint8), "shape"),
        (np.zeros((4, 64, 3), np.uint8), "shape"),
        (None, "no picture"),
    ],
)
def test_what_is_no_picture_is_unusable_and_says_why(gate, pixels, word):
    with pytest.raises(ImageUnusable, match=word):
        release(pixels, encode=never)


def test_an_encoder_that_swaps_the_picture_is_found_out(gate):
    with pytest.raises(ImageUnusable, match="another picture"):
        release(bright(), encode=lambda _pixels: png(dark()))


def test_an_encoder_cannot_change_the_judged_pixels(gate):
    def vandal(pixels):
        pixels[:] = 0
        return png(pixels)

    with pytest.raises(ValueError, match="read-only"):
        release(bright(), encode=vandal)


def test_bytes_that_are_no_image_are_not_released(gate):
    with pytest.raises(ImageUnusable, match="read back"):
        release(bright(), encode=lambda _pixels: b"not an image")


def test_a_prompt_of_another_job_releases_nothing(gate):
    with pytest.raises(ReceiptInvalid):
        release(bright(), prompt=screened(), job_id=uuid7(), encode=never)


@pytest.mark.parametrize("prompt", [object(), "a red circle", {"text": "a red circle"}])
def test_what_is_no_screened_prompt_releases_nothing(gate, prompt):
    with pytest.raises(ReceiptInvalid):
        release(bright(), prompt=prompt, job_id=uuid7(), encode=never)


def test_a_screened_prompt_made_by_force_releases_nothing(gate):
    genuine = screened("a red circle")
    forged = object.__new__(type(genuine))
    for field in dataclasses.fields(genuine):
        object.__setattr__(forged, field.name, getattr(genuine, field.name))
    object.__setattr__(forged, "text", "something forbidden")

    with pytest.raises(ReceiptInvalid):
        release(bright(), prompt=forged, encode=never)


def test_a_job_finishes_under_the_policy_it_began_with(gate):
    prompt = screened()
    begun = gate.text
    folder = gate.folder / "policies"
    folder.mkdir()
    (folder / f"{prompt.policy.hash}.json").write_text(begun)
    gate.use(version="test/2")

    image = release(bright(), prompt=prompt)

    assert image.receipt["policy"]["hash"] == prompt.policy.hash


def test_a_job_whose_policy_is_gone_is_withheld(gate):
    prompt = screened()
    gate.use(version="test/2")

    with pytest.raises(GateUnavailable):
        release(bright(), prompt=prompt, encode=never)


def test_nobody_makes_copies_or_unpickles_a_released_image(gate):
    image = release(bright())
    fields = {field.name: getattr(image, field.name) for field in dataclasses.fields(ReleasedImage)}

    with pytest.raises(NotFromTheGate):
        ReleasedImage(**fields, seal=object())
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(NotFromTheGate):
            attempt(image)
