"""POST /v1/verify and the page: made here or not, told to anybody; the generation to its own only."""

import io
import json

import numpy as np
import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.utils.timezone import now
from PIL import Image, ImageFilter

from governance.kernel.ids import uuid7
from governance.models import AuditEntry
from moderation.models import ProvenanceWaiver, ReleasedMark
from moderation.operations.released_marks import record_released_images
from moderation.operations.verification import Verdict, verify_image
from tests.moderation.conftest import person
from tests.moderation.test_provenance import encoder, released, scene

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clean_window():
    cache.clear()


@pytest.fixture
def delivered(gate, organization):
    """An image that was released to the organization and registered."""
    image = released(scene(192, seed=5), encode=encoder("PNG"))
    record_released_images(receipts=[image.receipt], organization_id=organization.id, at=now())
    return image


def again(data, kind="JPEG", change=lambda image: image, **options):
    """The picture saved again, so without its credentials."""
    image = change(Image.open(io.BytesIO(data)).convert("RGB"))
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def textured(side=192, seed=9):
    """A picture with enough to see for a perceptual hash."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def sent(client, data, **headers):
    return client.post(
        "/v1/verify", {"image": SimpleUploadedFile("x.png", data, "image/png")}, headers=headers
    )


def test_the_released_bytes_are_unaltered(client, delivered):
    reply = sent(client, delivered.data)

    assert reply.status_code == 200
    body = reply.json()
    assert body["verdict"] == "unaltered"
    assert body["found_by"] == ["bytes", "credentials", "watermark"]
    assert body["credentials"]["claims"]["decision"] == delivered.receipt["decision"]


def test_a_picture_saved_again_is_modified_and_known_by_its_watermark(client, delivered):
    reply = sent(client, again(delivered.data, quality=75))

    assert reply.json()["verdict"] == "modified"
    assert reply.json()["found_by"] == ["watermark"]
    assert reply.json()["credentials"]["state"] == "none"


def test_credentials_that_do_not_fit_the_picture_say_modified(client, gate, delivered):
    data = delivered.data
    picture = again(data, "PNG", lambda image: image.rotate(90).filter(ImageFilter.GaussianBlur(9)))
    start = data.index(b"caBX") - 4
    length = int.from_bytes(data[start : start + 4], "big") + 12
    grafted = picture[:33] + data[start : start + length] + picture[33:]

    body = sent(client, grafted).json()

    assert body["verdict"] == "modified"
    assert "credentials" in body["found_by"]
    assert body["credentials"]["state"] == "invalid"
    assert body["credentials"]["claims"] is None


def test_a_picture_without_readable_mark_is_known_by_its_look(gate, organization):
    image = released(textured(), encode=encoder("PNG"))
    record_released_images(receipts=[image.receipt], organization_id=organization.id, at=now())
    tiny = again(image.data, "PNG", lambda picture: picture.resize((48, 48)))

    found = verify_image(data=tiny)

    assert found.found_by == ("look",)
    assert found.verdict == Verdict.MODIFIED
    assert found.distance <= 31


def test_a_stranger_s_picture_is_unknown(client, delivered):
    body = sent(client, encoder("PNG")(textured(seed=77))).json()

    assert body["verdict"] == "unknown"
    assert body["found_by"] == []


def test_an_image_of_another_deployment_is_unknown(client, gate, settings):
    settings.PROVENANCE_KEY = b"another deployment"
    foreign = released(scene(192, seed=6)).data
    settings.PROVENANCE_KEY = b"this deployment"

    body = sent(client, foreign).json()

    assert body["verdict"] == "unknown"
    assert body["watermark"] == "foreign"
    assert not body["credentials"]["ours"]


def test_the_generation_is_told_to_its_own_organization_s_key_only(
    client, delivered, api_key, organizations
):
    own = sent(client, delivered.data, authorization=f"Bearer {api_key.secret}").json()

    assert own["generation"] == delivered.receipt["job"]
    assert sent(client, delivered.data).json()["generation"] is None
    assert delivered.receipt["job"] not in json.dumps(sent(client, delivered.data).json())


def test_another_organization_s_person_learns_no_generation(delivered):
    found = verify_image(data=delivered.data, organizations=[uuid7()])

    assert found.verdict == Verdict.UNALTERED
    assert found.known is None


def test_the_picture_may_be_the_body_itself(client, delivered):
    reply = client.post("/v1/verify", delivered.data, content_type="image/png")

    assert reply.json()["verdict"] == "unaltered"


@pytest.mark.parametrize(
    ("body", "word"), [(b"GIF89a no picture", "media_type"), (b"\x89PNG\r\n\x1a\n", "malformed")]
)
def test_what_is_no_picture_is_refused_with_a_reason(client, body, word):
    reply = sent(client, body)

    assert reply.status_code == 400
    assert word in reply.json()["reason"] or "truncated" in reply.json()["reason"]


def test_no_picture_at_all_says_what_to_send(client):
    reply = client.post("/v1/verify", {"picture": "x"})

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "image"


def test_one_address_is_limited_and_a_key_is_not(client, delivered, api_key, settings):
    settings.VERIFY_PER_MINUTE = 1
    sent(client, b"GIF89a")

    refused = sent(client, b"GIF89a")

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert sent(client, b"GIF89a", authorization=f"Bearer {api_key.secret}").status_code == 400


def test_verifying_writes_nothing(client, delivered):
    before = (ReleasedMark.objects.count(), AuditEntry.objects.count())

    sent(client, again(delivered.data, quality=80))

    assert (ReleasedMark.objects.count(), AuditEntry.objects.count()) == before


def test_the_page_says_it_in_words_and_shows_members_their_generation(
    client, delivered, owner, organization
):
    client.force_login(owner)

    page = client.post(
        "/verify", {"image": SimpleUploadedFile("x.png", delivered.data, "image/png")}
    ).content.decode()

    assert "Made here, unaltered" in page
    assert f"/o/{organization.slug}/generations/{delivered.receipt['job']}/" in page


def test_the_page_is_open_to_anybody_and_tells_a_bad_file(client):
    assert client.get("/verify").status_code == 200

    page = client.post("/verify", {"image": SimpleUploadedFile("x.png", b"text", "image/png")})

    assert page.status_code == 400
    assert "Only PNG, JPEG and WebP" in page.content.decode()


def test_the_database_holds_a_mark_once_and_never_changes_it(delivered):
    row = ReleasedMark.objects.get()

    with pytest.raises(Exception, match="Cannot update"), transaction.atomic():
        ReleasedMark.objects.update(mark=1)
    row.pk, row.job_id = uuid7(), uuid7()
    with pytest.raises(IntegrityError, match="mark"), transaction.atomic():
        row.save(force_insert=True)


def test_the_database_takes_no_image_that_is_neither_marked_nor_waived(delivered):
    row = ReleasedMark.objects.get()
    row.pk, row.job_id, row.mark = uuid7(), uuid7(), None

    with pytest.raises(IntegrityError, match="released_marked_or_waived"), transaction.atomic():
        row.save(force_insert=True)


def propose(client, **fields):
    return client.post(
        "/moderation/provenance/waivers/", {"reason": "Bare files", "days": "7", **fields}
    )


def test_a_waiver_needs_a_second_person_and_is_audited(client, organization):
    first, second = person("first"), person("second")
    client.force_login(first)
    propose(client, organization=organization.slug)
    waiver = ProvenanceWaiver.objects.get()

    client.post(f"/moderation/provenance/waivers/{waiver.id}/", {"act": "approve"})
    waiver.refresh_from_db()
    assert waiver.approved is None, "the one who asked approved it alone"

    client.force_login(second)
    client.post(f"/moderation/provenance/waivers/{waiver.id}/", {"act": "approve"})
    waiver.refresh_from_db()
    assert waiver.approved
    assert waiver.organization_id == organization.id
    acts = AuditEntry.objects.filter(subject_id=str(waiver.id)).values_list("act", flat=True)
    assert set(acts) == {"provenance.waiver_proposed", "provenance.waiver_approved"}


def test_a_waiver_for_a_name_that_nobody_has_is_not_one_for_everybody(client):
    client.force_login(person("first"))

    propose(client, organization="no-such-name")

    assert not ProvenanceWaiver.objects.exists()


def test_one_person_is_enough_to_end_a_waiver(client):
    client.force_login(person("first"))
    propose(client)
    waiver = ProvenanceWaiver.objects.get()
    client.force_login(person("second"))
    client.post(f"/moderation/provenance/waivers/{waiver.id}/", {"act": "approve"})

    page = client.post(
        f"/moderation/provenance/waivers/{waiver.id}/", {"act": "end"}, follow=True
    ).content.decode()

    assert "marked again" in page
    waiver.refresh_from_db()
    assert waiver.ended_at is not None


@pytest.mark.parametrize("fields", [{"reason": " "}, {"days": "31"}, {"days": "0"}])
def test_a_waiver_without_reason_or_end_is_not_written(client, fields):
    client.force_login(person("first"))

    propose(client, **fields)

    assert not ProvenanceWaiver.objects.exists()


def test_the_database_refuses_a_waiver_that_one_person_approved():
    one = person("one")

    with pytest.raises(IntegrityError, match="waiver_by_two_people"), transaction.atomic():
        ProvenanceWaiver.objects.create(
            reason="x",
            proposed_by=one,
            proposed_at=now(),
            ends_at=now().replace(year=2099),
            answered_by=one,
            answered_at=now(),
            approved=True,
        )


def test_a_tenant_s_person_does_not_see_the_waivers(client, owner):
    client.force_login(owner)

    assert client.get("/moderation/provenance/").status_code == 404
