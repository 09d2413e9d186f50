"""Every released picture carries a watermark and content credentials, read back from its bytes."""

import io
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image

from governance.kernel.ids import uuid7
from inference.engine.tiny import scenes
from moderation.kernel.receipts import ReceiptInvalid
from moderation.models import ReleasedMark
from moderation.operations.marking import ProvenanceFailed
from moderation.operations.release import Weights, release_image
from moderation.operations.released_marks import record_released_images
from moderation.operations.waivers import answer_waiver, propose_waiver
from moderation.provenance import chain, credentials, watermark
from moderation.queries.provenance import provenance_coverage
from tests.moderation.conftest import AT, acting, bright, person, screened

SIZES = {"PNG": {}, "JPEG": {"quality": 92}, "WEBP": {"quality": 92, "method": 2}}


def encoder(kind="PNG", change=lambda image: image):
    def encode(pixels):
        stream = io.BytesIO()
        change(Image.fromarray(pixels)).save(stream, kind, **SIZES[kind])
        return stream.getvalue()

    return encode


def scene(side=128, seed=0):
    return scenes.render(scenes.sample_scene(np.random.default_rng(seed)), side, side)


def released(pixels=None, *, encode=None, prompt=None, **fields):
    prompt = prompt or screened()
    return release_image(
        pixels=scene() if pixels is None else pixels,
        encode=encode or encoder(),
        prompt=prompt,
        job_id=prompt.job_id,
        attempt=1,
        index=0,
        release_slug="krea-2-tiny-turbo",
        **fields,
    )


def waive(*, organization_id=None, at=AT, days=7):
    """A waiver that two people made."""
    waiver = propose_waiver(
        organization_id=organization_id,
        reason="A printer that needs bare files",
        days=days,
        actor=acting(person("asks")),
        at=at,
    )
    answer_waiver(waiver_id=waiver.id, approve=True, actor=acting(person("approves")), at=at)
    return waiver


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_final_bytes_carry_the_mark_of_the_receipt_and_credentials_that_hold(gate, kind, side):
    pixels = bright(side) if side == 64 else scene(side)

    image = released(pixels, encode=encoder(kind))

    said = image.receipt["provenance"]
    decoded = np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB"))
    assert f"{watermark.read(decoded).mark:012x}" == said["watermark"]
    held = credentials.read(image.data, f"image/{kind.lower()}")
    assert (held.state, held.ours, held.manifest) == ("trusted", True, said["credentials"])


def test_the_credentials_name_model_decision_and_notice_and_nobody(gate):
    weights = (Weights("krea-2", "base", "a" * 64), Weights("krea-2-style", "adapter", "b" * 64))
    prompt = screened(text="a red circle for Ada")

    image = released(prompt=prompt, weights=weights)

    held = credentials.read(image.data, "image/png")
    assert held.source_type.endswith("/trainedAlgorithmicMedia")
    assert held.facts["decision"] == image.receipt["decision"]
    assert [part["sha256"] for part in held.facts["weights"]] == ["a" * 64, "b" * 64]
    assert "Krea 2 Community License Agreement" in held.facts["notice"]
    assert set(held.facts) == {"release", "weights", "decision", "policy", "watermark", "notice"}
    assert b"Ada" not in image.data
    assert prompt.receipt["organization"].encode() not in image.data


def test_two_images_of_one_picture_carry_different_marks(gate):
    first, second = (released().receipt["provenance"]["watermark"] for _ in range(2))

    assert first != second


def test_an_encoder_that_wipes_the_watermark_out_releases_nothing(gate):
    def coarse(image):
        return image.resize((16, 16), Image.Resampling.BOX).resize(image.size)

    with pytest.raises(ProvenanceFailed) as refusal:
        released(np.array(Image.fromarray(bright(128))), encode=encoder(change=coarse))

    assert refusal.value.retryable


def test_credentials_that_do_not_fit_the_final_bytes_release_nothing(gate, monkeypatch):
    sign = credentials.sign

    def signed_then_packed_anew(data, media_type, claim):
        """The same pixels in another file, with the first one's credentials: ours, but unfit."""
        signed, other = sign(data, media_type, claim), io.BytesIO()
        Image.open(io.BytesIO(data)).save(other, "PNG", compress_level=1)
        begins = signed.index(b"caBX") - 4
        ends = begins + int.from_bytes(signed[begins : begins + 4], "big") + 12
        header = 33
        return other.getvalue()[:header] + signed[begins:ends] + other.getvalue()[header:]

    monkeypatch.setattr(credentials, "sign", signed_then_packed_anew)

    with pytest.raises(ProvenanceFailed, match="credentials could not be read back"):
        released()


def test_a_certificate_that_cannot_be_read_releases_nothing(gate, settings, tmp_path):
    settings.C2PA_CHAIN_FILE = tmp_path / "nowhere.pem"
    settings.C2PA_KEY_FILE = tmp_path / "nowhere.key"

    with pytest.raises(ProvenanceFailed, match="signed"):
        released()


def test_an_operators_own_certificate_signs_and_counts_as_ours(gate, settings, tmp_path):
    own = chain.self_made(b"the operator's own authority")
    settings.C2PA_CHAIN_FILE, settings.C2PA_KEY_FILE = tmp_path / "c.pem", tmp_path / "k.pem"
    settings.C2PA_CHAIN_FILE.write_bytes(own.certificates)
    settings.C2PA_KEY_FILE.write_bytes(own.key)

    image = released()

    assert credentials.read(image.data, "image/png").ours


def test_a_stranger_s_credentials_are_not_ours(gate, settings):
    settings.PROVENANCE_KEY = b"another deployment"
    foreign = released().data

    settings.PROVENANCE_KEY = b"this deployment"

    held = credentials.read(foreign, "image/png")
    assert not held.ours
    assert held.state != "trusted"


def test_a_key_that_is_not_the_certificates_is_refused():
    first, second = chain.self_made(b"first"), chain.self_made(b"second")

    with pytest.raises(chain.SignerUnusable, match="not the key"):
        chain.configured(first.certificates, second.key)


def test_the_self_made_chain_is_the_same_in_every_process():
    assert chain.self_made.__wrapped__(b"secret") == chain.self_made.__wrapped__(b"secret")


@pytest.mark.django_db
def test_a_waiver_by_two_people_leaves_the_marks_out_and_says_so(gate):
    organization = uuid7()
    waiver = waive(organization_id=organization)

    image = released(prompt=screened(organization_id=organization))

    said = image.receipt["provenance"]
    assert (said["required"], said["waiver"]) == (False, str(waiver.id))
    assert credentials.read(image.data, "image/png").state == "none"
    record_released_images(receipts=[image.receipt], organization_id=organization, at=AT)
    assert ReleasedMark.objects.get().waiver_id == waiver.id


@pytest.mark.django_db
def test_the_judged_pixels_are_read_only_even_when_nothing_marks_them(gate):
    waive()

    def vandal(pixels):
        pixels[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        released(prompt=screened(), encode=vandal)


@pytest.mark.django_db
def test_another_organization_s_waiver_waives_nothing(gate):
    waive(organization_id=uuid7())

    assert released(prompt=screened()).receipt["provenance"]["required"]


@pytest.mark.django_db
def test_a_waiver_that_has_run_out_waives_nothing(gate):
    waive(at=AT - timedelta(days=8), days=7)

    assert released(prompt=screened()).receipt["provenance"]["required"]


@pytest.mark.django_db
def test_the_registry_keeps_what_the_receipt_says(gate):
    image, organization = released(), uuid7()

    record_released_images(receipts=[image.receipt], organization_id=organization, at=AT)

    row = ReleasedMark.objects.get()
    assert f"{row.mark:012x}" == image.receipt["provenance"]["watermark"]
    assert row.sha256 == image.sha256
    coverage = provenance_coverage(
        begins=AT, ends=AT + timedelta(seconds=1), organization_id=organization
    )
    assert (coverage.released, coverage.marked, coverage.share) == (1, 1, 1.0)


@pytest.mark.django_db
def test_an_image_whose_receipt_says_nothing_of_provenance_is_not_registered(gate):
    receipt = {key: value for key, value in released().receipt.items() if key != "provenance"}

    with pytest.raises(ReceiptInvalid):
        record_released_images(receipts=[receipt], organization_id=uuid7(), at=AT)
