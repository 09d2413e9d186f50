"""The pages of trainings, from an empty dataset to the adapter."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.timezone import now

from governance.models import ModelRelease, User
from inference.models import RightsAttestation, TrainingDataset, TrainingItem, TrainingJob
from inference.operations.admissions import Submitter
from inference.operations.training_leases import claim_training
from inference.operations.training_running import run_training
from tests.inference.training_fixtures import TRAINER, SketchTrainer, picture

pytestmark = pytest.mark.django_db


def sent(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


class TestDatasetPage:
    def test_takes_pictures_with_the_captions_of_their_text_files(
        self, reader: Client, home: str, dataset: TrainingDataset
    ) -> None:
        files = [
            sent("one.png", picture(1)), sent("one.txt", b"zorp on a table"),
            sent("two.png", picture(2)),
        ]  # fmt: skip

        answer = reader.post(
            f"{home}training/datasets/{dataset.id}/",
            {"act": "upload", "files": files, "caption": "zorp"},
            follow=True,
        )

        captions = list(TrainingItem.objects.order_by("name").values_list("caption", flat=True))
        assert captions == ["zorp on a table", "zorp"]
        assert "2 of 2 pictures taken" in answer.content.decode()

    def test_shows_why_an_item_was_refused(
        self, reader: Client, home: str, dataset: TrainingDataset
    ) -> None:
        answer = reader.post(
            f"{home}training/datasets/{dataset.id}/",
            {"act": "upload", "files": [sent("x.png", b"no picture at all")], "caption": "zorp"},
            follow=True,
        )

        page = answer.content.decode()
        assert "0 of 1 pictures taken" in page
        assert TrainingItem.objects.get().error_detail in page

    def test_one_attests_by_name(
        self, reader: Client, home: str, add: Callable[..., TrainingItem], owner: User
    ) -> None:
        item = add(1)

        answer = reader.post(
            f"{home}training/datasets/{item.dataset_id}/",
            {"act": "attest", "agree": "yes"},
            follow=True,
        )

        assert RightsAttestation.objects.get().actor_id == str(owner.id)
        assert f"Attested by {owner.email}" in answer.content.decode()

    def test_orders_a_training_once_for_a_double_click(
        self, reader: Client, home: str, attested: TrainingDataset, raw_release: ModelRelease
    ) -> None:
        order = {
            "act": "start", "name": "Ramps", "trigger": "zorp", "steps": "8", "rank": "4",
            "learning_rate": "0.001", "token": "0199f0c2-7c1e-7000-8000-000000000000",
        }  # fmt: skip

        first = reader.post(f"{home}training/datasets/{attested.id}/", order)
        reader.post(f"{home}training/datasets/{attested.id}/", order)

        job = TrainingJob.objects.get()
        assert first.headers["Location"] == f"{home}training/jobs/{job.id}/"
        assert job.member is not None

    def test_shows_an_accepted_picture(
        self, reader: Client, home: str, add: Callable[..., TrainingItem]
    ) -> None:
        item = add(1)

        answer = reader.get(f"{home}training/datasets/{item.dataset_id}/items/{item.id}")

        assert answer.content.startswith(b"\x89PNG")


class TestJobPage:
    def test_shows_loss_samples_cost_and_result(
        self,
        reader: Client,
        home: str,
        order: Callable[..., TrainingJob],
        raw_release: ModelRelease,
    ) -> None:
        job = order()
        lease = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())
        assert lease is not None
        run_training(lease=lease, trainer=SketchTrainer(), actor=TRAINER)
        job.refresh_from_db()

        page = reader.get(f"{home}training/jobs/{job.id}/").content.decode()

        assert '<svg class="chart"' in page
        assert page.count('alt="Sample after step') == 4
        assert "Charged $0.000256" in page
        assert str(job.adapter_id) in page
        assert f"{job.id}/progress" not in page

    def test_asks_again_while_it_is_open_and_can_be_cancelled(
        self, reader: Client, home: str, order: Callable[..., TrainingJob]
    ) -> None:
        job = order()
        place = f"{home}training/jobs/{job.id}/"

        fragment = reader.get(f"{place}progress").content.decode()
        reader.post(place)

        job.refresh_from_db()
        assert f'hx-get="{place}progress"' in fragment
        assert job.state == "cancelled"

    def test_a_stranger_finds_nothing(
        self, stranger: User, home: str, order: Callable[..., TrainingJob]
    ) -> None:
        job = order()
        browser = Client()
        browser.force_login(stranger)
        own = stranger.memberships.get().organization.slug

        assert browser.get(f"{home}training/jobs/{job.id}/").status_code == 404
        assert browser.get(f"/o/{own}/training/jobs/{job.id}/").status_code == 404
        assert browser.get(f"/o/{own}/training/datasets/{job.dataset_id}/").status_code == 404


def test_the_list_shows_datasets_and_trainings(
    reader: Client, home: str, order: Callable[..., TrainingJob], submitter: Submitter
) -> None:
    order()

    page = reader.get(f"{home}training/").content.decode()

    assert "Blue ramps" in page
    assert "Look" in page


def test_a_new_dataset_opens_its_page(reader: Client, home: str) -> None:
    answer = reader.post(f"{home}training/", {"name": "Fresh"})

    assert answer.headers["Location"].startswith(f"{home}training/datasets/")
