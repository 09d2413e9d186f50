"""Datasets: each picture and caption past the gate, refusals kept with their reason, rights attested."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from django.utils.timezone import now

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import InvalidRequest, NotFound
from governance.models import AuditEntry, User
from inference.models import RightsAttestation, TrainingDataset, TrainingItem, TrainingJob
from inference.operations.admissions import Submitter
from inference.operations.training_data import DatasetFrozen, DatasetInUse, delete_dataset
from inference.operations.training_items import DatasetFull, ItemExists, read_item, remove_item
from inference.queries.training import attestation_of, dataset_of
from moderation.classifiers.canary import reference_glyph
from moderation.models import Decision
from moderation.operations.intake import MediaUnusable
from moderation.operations.media import MediaBlocked, add_to_bank
from moderation.operations.screening import PromptBlocked, restore_screened_prompt
from moderation.operations.training_pictures import (
    PictureRefused,
    ReceiptInvalid,
    verify_picture_receipt,
)
from tests.factories import SYSTEM
from tests.inference.training_fixtures import picture, png

pytestmark = pytest.mark.django_db
Add = Callable[..., TrainingItem]
UNSAFE = "a photo of a naked child"


class TestAddingAnItem:
    def test_keeps_the_judged_picture_and_both_decisions(self, add: Add) -> None:
        item = add(1)

        kinds = set(Decision.objects.filter(job_id=item.id).values_list("subject_kind", "outcome"))
        assert item.accepted
        assert kinds == {("caption", "allow"), ("training_picture", "allow")}
        assert sha256_hex(read_item(item)) == item.sha256

    def test_both_receipts_hold_for_this_item_alone(self, add: Add) -> None:
        item, other = add(1), add(2)

        restore_screened_prompt(text=item.caption, receipt=item.caption_receipt, job_id=item.id)
        verify_picture_receipt(data=read_item(item), receipt=item.picture_receipt, subject=item.id)
        with pytest.raises(ReceiptInvalid):
            verify_picture_receipt(
                data=read_item(other), receipt=item.picture_receipt, subject=item.id
            )

    def test_a_refused_caption_is_kept_as_a_reason_without_words_or_bytes(self, add: Add) -> None:
        with pytest.raises(PromptBlocked):
            add(1, caption=UNSAFE)

        item = TrainingItem.objects.get()
        assert (item.accepted, item.caption, item.blob) == (False, "", "")
        assert item.error_code == "moderation_blocked"
        assert Decision.objects.filter(job_id=item.id, outcome__startswith="block").exists()
        assert AuditEntry.objects.filter(act="training_item.refused").exists()

    def test_a_picture_that_a_classifier_refuses_is_refused(self, add: Add) -> None:
        with pytest.raises(PictureRefused) as refused:
            add(1, data=png(reference_glyph()))

        item = TrainingItem.objects.get()
        decision = Decision.objects.get(job_id=item.id, subject_kind="training_picture")
        assert refused.value.facts["stage"] == "media"
        assert (item.accepted, item.blob, decision.outcome) == (False, "", "block")

    def test_a_known_picture_never_reaches_a_classifier(self, add: Add) -> None:
        data = picture(1)
        add_to_bank(
            bank="deny", sha256=sha256_hex(data), media=None, source="t", actor=SYSTEM, at=now()
        )

        with pytest.raises(MediaBlocked):
            add(1, data=data)

        assert TrainingItem.objects.get().error_code == "moderation_blocked"

    def test_a_file_that_is_no_picture_is_refused_with_its_reason(self, add: Add) -> None:
        with pytest.raises(MediaUnusable):
            add(1, data=b"GIF89a" + bytes(100))

        assert TrainingItem.objects.get().error_facts["reason"].startswith("media_")

    def test_the_same_file_twice_is_refused(self, add: Add) -> None:
        add(1)

        with pytest.raises(ItemExists):
            add(1)

    def test_takes_no_more_than_fifty(self, add: Add, dataset: TrainingDataset) -> None:
        first = add(0)
        for number in range(49):
            TrainingItem.objects.create(
                dataset=dataset, organization_id=first.organization_id, accepted=True,
                uploaded_sha256=f"{number:064d}", caption_receipt=first.caption_receipt,
                picture_receipt=first.picture_receipt, created_at=now(),
            )  # fmt: skip

        with pytest.raises(DatasetFull):
            add(2)

    def test_needs_a_caption(self, add: Add) -> None:
        with pytest.raises(InvalidRequest):
            add(1, caption="  ")

    def test_another_tenants_dataset_is_not_found(self, add: Add, stranger: User) -> None:
        other = stranger.memberships.get().organization_id

        with pytest.raises(NotFound):
            add(1, organization_id=other)


class TestRights:
    def test_an_attestation_names_who_when_and_which_text(
        self, add: Add, attest: Callable[..., RightsAttestation], submitter: Submitter
    ) -> None:
        add(1)

        attestation = attest()

        entry = AuditEntry.objects.get(act="training.rights_attested")
        assert attestation.actor_id == submitter.actor.id
        assert entry.facts["text_sha256"] == attestation.text_sha256
        assert attestation_of(attestation.dataset_id) == attestation

    def test_an_item_added_later_needs_a_new_one(
        self, add: Add, attest: Callable[..., Any], dataset: TrainingDataset
    ) -> None:
        add(1)
        attest()

        add(2)

        assert attestation_of(dataset.id) is None

    def test_another_text_is_not_accepted(self, add: Add, attest: Callable[..., Any]) -> None:
        add(1)

        with pytest.raises(InvalidRequest):
            attest("2020-01")

    def test_the_database_changes_none(self, add: Add, attest: Callable[..., Any]) -> None:
        add(1)
        attest()

        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE inference_rights_attestation SET actor_id = 'x'")


class TestTakingAway:
    def test_removing_an_item_deletes_its_bytes(
        self, add: Add, submitter: Submitter, django_capture_on_commit_callbacks: Any
    ) -> None:
        item = add(1)

        with django_capture_on_commit_callbacks(execute=True):
            remove_item(
                organization_id=submitter.organization_id, dataset_id=item.dataset_id,
                item_id=item.id, actor=submitter.actor,
            )  # fmt: skip

        assert not default_storage.exists(item.blob)
        assert not TrainingItem.objects.exists()

    def test_deleting_a_dataset_leaves_hashes_and_no_pictures(
        self, add: Add, submitter: Submitter, django_capture_on_commit_callbacks: Any
    ) -> None:
        item = add(1)

        with django_capture_on_commit_callbacks(execute=True):
            delete_dataset(
                organization_id=submitter.organization_id, dataset_id=item.dataset_id,
                actor=submitter.actor, at=now(),
            )  # fmt: skip

        kept = TrainingItem.objects.get()
        assert (kept.caption, kept.sha256) == ("", item.sha256)
        assert not default_storage.exists(item.blob)
        with pytest.raises(NotFound):
            dataset_of(submitter.organization_id, item.dataset_id)

    def test_a_dataset_in_use_stays_as_it_is(
        self, order: Callable[..., TrainingJob], add: Add, submitter: Submitter
    ) -> None:
        job = order()

        with pytest.raises(DatasetFrozen):
            add(9)
        with pytest.raises(DatasetInUse):
            delete_dataset(
                organization_id=submitter.organization_id, dataset_id=job.dataset_id,
                actor=submitter.actor, at=now(),
            )  # fmt: skip


def test_the_database_keeps_no_accepted_item_without_receipts(add: Add) -> None:
    item = add(1)

    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingItem.objects.filter(id=item.id).update(picture_receipt={})
