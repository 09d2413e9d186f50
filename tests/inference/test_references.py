"""Style references and moodboards: past the gate, private, priced, on record, deleted."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.utils.timezone import now
from PIL import Image

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import InvalidRequest, NotFound
from governance.models import AuditEntry, Organization
from inference.engine.protocol import GenerateCommand
from inference.models import Generation, StyleReference
from inference.operations.deleting import set_image_retention
from inference.operations.leases import Lease, claim_next
from inference.operations.moodboards import (
    StyleChoice,
    StyleWish,
)
from inference.operations.references import delete_reference, expire_references
from inference.operations.running import command_of, run_attempt
from inference.queries.references import reference_of, references_of
from moderation.classifiers.canary import reference_glyph
from moderation.models import Decision
from moderation.operations.intake import MediaUnusable, admit_media
from moderation.operations.media import MediaBlocked, add_to_bank
from moderation.operations.references import ReferenceBlocked
from tests.factories import SYSTEM
from tests.inference.conftest import WORKER, SketchEngine, Upload, picture

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]


def wish(*references: StyleReference, strength: float = 0.5) -> StyleWish:
    return StyleWish(tuple(StyleChoice(each.id, strength) for each in references))


class TestUploadReference:
    def test_keeps_a_normal_form_without_what_the_file_said_of_itself(self, upload: Upload) -> None:
        data = picture(form="JPEG")

        reference = upload(data)

        with default_storage.open(reference.blob, "rb") as stream:
            kept = stream.read()
        assert sha256_hex(kept) == reference.sha256
        assert sha256_hex(data) == reference.uploaded_sha256
        assert Image.open(io.BytesIO(kept)).format == "PNG"
        assert (reference.width, reference.height) == (128, 96)

    def test_puts_the_gates_decision_and_the_hashes_on_record(self, upload: Upload) -> None:
        reference = upload()

        decision = Decision.objects.get(job_id=reference.id)
        entry = AuditEntry.objects.get(act="style_reference.added")
        assert (decision.stage, decision.subject_kind, decision.outcome) == (
            "media",
            "reference",
            "allow",
        )
        assert entry.facts["sha256"] == reference.sha256

    def test_answers_the_same_file_with_the_same_reference(self, upload: Upload) -> None:
        assert upload().id == upload().id
        assert StyleReference.objects.count() == 1

    def test_refuses_what_an_image_classifier_refuses(self, upload: Upload) -> None:
        stream = io.BytesIO()
        Image.fromarray(reference_glyph()).save(stream, "PNG")

        with pytest.raises(ReferenceBlocked, match="picture was refused"):
            upload(stream.getvalue())

        assert not StyleReference.objects.exists()
        assert Decision.objects.get().outcome == "block"

    def test_refuses_what_a_hash_bank_knows_even_re_encoded(self, upload: Upload) -> None:
        data = picture()
        add_to_bank(
            bank="removals",
            sha256=sha256_hex(data),
            media=admit_media(data),
            source="tests",
            actor=SYSTEM,
            at=now(),
        )

        with pytest.raises(MediaBlocked):
            upload(picture(form="JPEG"))

        assert not StyleReference.objects.exists()

    def test_looks_again_in_the_banks_when_the_same_file_comes_again(self, upload: Upload) -> None:
        data = picture()
        first = upload(data)
        add_to_bank(
            bank="removals",
            sha256=sha256_hex(data),
            media=admit_media(data),
            source="tests",
            actor=SYSTEM,
            at=now(),
        )

        with pytest.raises(MediaBlocked):
            upload(data)

        first.refresh_from_db()
        assert first.deleted_at is not None
        assert Decision.objects.filter(job_id=first.id, outcome="block").exists()

    def test_refuses_what_is_no_picture(self, upload: Upload) -> None:
        with pytest.raises(MediaUnusable):
            upload(b"GIF89a no picture at all")


class TestReferencesOf:
    def test_are_the_organizations_own(
        self, upload: Upload, organizations: Callable[..., Organization], organization: Organization
    ) -> None:
        reference, stranger = upload(), organizations(name="Stranger")

        assert list(references_of(organization.id)) == [reference]
        with pytest.raises(NotFound):
            reference_of(stranger.id, reference.id)
        with pytest.raises(NotFound):
            delete_reference(
                organization_id=stranger.id, reference_id=reference.id, actor=SYSTEM, at=now()
            )

    def test_the_same_picture_of_two_organizations_is_two_references(
        self, upload: Upload, organizations: Callable[..., Organization]
    ) -> None:
        mine, theirs = upload(), upload(organization_id=organizations(name="Stranger").id)

        assert mine.id != theirs.id
        assert mine.blob != theirs.blob


class TestReferencesOnAJob:
    def test_are_priced_each_and_reach_the_engine_by_hash(
        self, submit: Submit, upload: Upload
    ) -> None:
        one, two = upload(picture(1)), upload(picture(5))
        plain, led = submit(), submit(style=wish(one, two))

        command = command_of(led, Lease(led.id, led.organization_id, 1, 1))

        line = next(each for each in led.quote["lines"] if each["text"] == "style reference")
        assert line["quantity"] == 2
        assert led.quoted_microusd == plain.quoted_microusd + line["amount_microusd"]
        assert led.work_gflop > plain.work_gflop
        assert [use.sha256 for use in command.style_references] == [one.sha256, two.sha256]

    def test_come_through_the_engines_protocol_as_they_are(
        self, submit: Submit, upload: Upload
    ) -> None:
        job = submit(style=wish(upload()))
        command = command_of(job, Lease(job.id, job.organization_id, 1, 1))

        received = GenerateCommand.from_frame(json.loads(json.dumps(asdict(command))))

        assert received.style_references == command.style_references
        assert received.style_key == command.style_key != ""

    def test_are_in_the_audit_log_by_hash(self, submit: Submit, upload: Upload) -> None:
        reference = upload()

        submit(style=wish(reference))

        entry = AuditEntry.objects.get(act="generation.submitted")
        assert entry.facts["style_references"] == [reference.sha256]

    def test_with_no_strength_are_no_references_at_all(
        self, submit: Submit, upload: Upload
    ) -> None:
        plain, none = submit(), submit(style=wish(upload(), strength=0.0))

        assert none.style_references == []
        assert none.quoted_microusd == plain.quoted_microusd

    def test_of_a_stranger_are_not_found(
        self, submit: Submit, upload: Upload, organizations: Callable[..., Organization]
    ) -> None:
        theirs = upload(organization_id=organizations(name="Stranger").id)

        with pytest.raises(NotFound):
            submit(style=wish(theirs))

    @pytest.mark.parametrize("strength", [1.5, -0.1, float("nan")])
    def test_have_a_strength_from_0_to_1(
        self, submit: Submit, upload: Upload, strength: float
    ) -> None:
        with pytest.raises(InvalidRequest):
            submit(style=wish(upload(), strength=strength))

    def test_that_were_deleted_meanwhile_end_the_job_free_of_charge(
        self, submit: Submit, upload: Upload, releases: list[UUID]
    ) -> None:
        reference = upload()
        job = submit(style=wish(reference))
        delete_reference(
            organization_id=reference.organization_id,
            reference_id=reference.id,
            actor=SYSTEM,
            at=now(),
        )
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None

        run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)

        job.refresh_from_db()
        assert (job.state, job.error_code, job.charged_microusd) == (
            "failed",
            "reference_deleted",
            0,
        )


class TestDeletion:
    def test_takes_the_file_and_leaves_the_evidence(
        self, upload: Upload, django_capture_on_commit_callbacks: Any
    ) -> None:
        reference = upload()

        with django_capture_on_commit_callbacks(execute=True):
            delete_reference(
                organization_id=reference.organization_id,
                reference_id=reference.id,
                actor=SYSTEM,
                at=now(),
            )

        assert not default_storage.exists(reference.blob)
        entry = AuditEntry.objects.get(act="style_reference.deleted")
        assert entry.facts["sha256"] == reference.sha256

    def test_comes_by_itself_after_the_organizations_days(
        self, upload: Upload, organization: Organization
    ) -> None:
        upload(picture(1), at=now() - timedelta(days=40))
        young = upload(picture(5), at=now() - timedelta(days=20))
        set_image_retention(organization_id=organization.id, days=30, actor=SYSTEM, at=now())

        erased = expire_references(at=now())

        assert erased == 1
        assert list(references_of(organization.id)) == [young]
