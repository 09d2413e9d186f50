"""The API of trainings, from an empty dataset to the adapter."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.timezone import now

from governance.models import ModelRelease
from governance.operations.api_keys import CreatedKey
from inference.kernel.training_terms import STATEMENT_VERSION
from inference.models import TrainingJob
from inference.operations.admissions import Submitter
from inference.operations.training_leases import claim_training
from inference.operations.training_running import run_training
from tests.inference.training_fixtures import TRAINER, SketchTrainer, picture

pytestmark = pytest.mark.django_db


class Api:
    """A client with the tenant's key."""

    def __init__(self, key: CreatedKey) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {key.secret}"})

    def get(self, path: str) -> Any:
        return self.client.get(f"/v1/training/{path}")

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.post(
            f"/v1/training/{path}", body or {}, content_type="application/json", headers=headers
        )

    def upload(self, dataset: str, seed: int, caption: str = "a blue ramp") -> Any:
        file = SimpleUploadedFile(f"{seed}.png", picture(seed), "image/png")
        return self.client.post(
            f"/v1/training/datasets/{dataset}/items", {"image": file, "caption": caption}
        )


@pytest.fixture
def api(submitter: Submitter, api_key: CreatedKey, raw_release: ModelRelease) -> Api:
    return Api(api_key)


@pytest.fixture
def ready(api: Api) -> str:
    """A dataset of three pictures, vouched for."""
    dataset: str = api.post("datasets", {"name": "Look"}).json()["id"]
    for seed in range(3):
        assert api.upload(dataset, seed).status_code == 201
    api.post(f"datasets/{dataset}/attestation", {"text_version": STATEMENT_VERSION})
    return dataset


def ordered(api: Api, dataset: str, **fields: Any) -> Any:
    body = {"dataset": dataset, "name": "Ramps", "trigger": "zorp", "steps": 8, "rank": 4}
    return api.post("jobs", {**body, **fields}, **{"Idempotency-Key": "one"})


def test_from_a_dataset_to_an_adapter(api: Api, ready: str, raw_release: ModelRelease) -> None:
    reply = ordered(api, ready)
    lease = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())
    assert lease is not None
    run_training(lease=lease, trainer=SketchTrainer(), actor=TRAINER)

    done = api.client.get(reply.headers["Location"]).json()

    adapter = api.client.get(f"/v1/adapters/{done['adapter']}").json()
    sample = api.client.get(done["samples"][-1]["url"])
    assert (reply.status_code, reply.json()["status"], done["status"]) == (
        202, "queued", "succeeded",
    )  # fmt: skip
    assert (done["charged_microusd"], len(done["losses"]), len(done["samples"])) == (256, 8, 4)
    assert (adapter["source"], adapter["base"]) == ("training", raw_release.slug)
    assert sample.content.startswith(b"\x89PNG")


def test_a_refused_caption_answers_400_and_stays_as_a_reason(api: Api) -> None:
    dataset = api.post("datasets", {"name": "Look"}).json()["id"]

    refused = api.upload(dataset, 1, caption="a photo of a naked child")

    item = api.get(f"datasets/{dataset}").json()["items"][0]
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "moderation_blocked"
    assert (item["accepted"], item["error"]["code"]) == (False, "moderation_blocked")
    assert item["error"]["decision_id"] == refused.json()["decision_id"]


def test_the_same_idempotency_key_gives_the_same_training(api: Api, ready: str) -> None:
    first, again = ordered(api, ready), ordered(api, ready)

    assert first.json()["id"] == again.json()["id"]
    assert ordered(api, ready, steps=9).status_code == 422


def test_the_statement_in_force_is_told_with_its_hash(api: Api, ready: str) -> None:
    body = api.get(f"datasets/{ready}").json()

    assert body["statement"]["version"] == STATEMENT_VERSION
    assert body["attestation"]["text_sha256"] == body["statement"]["sha256"]


def test_lists_page_by_cursor(api: Api, ready: str, order: Callable[..., TrainingJob]) -> None:
    order()
    ordered(api, ready)

    first = api.get("jobs?limit=1").json()
    second = api.get(f"jobs?limit=1&after={first['next_cursor']}").json()

    assert (first["has_more"], second["has_more"]) == (True, False)
    assert first["data"][0]["id"] != second["data"][0]["id"]
    assert {each["name"] for each in api.get("datasets").json()["data"]} == {"Look"}


def test_cancelling_a_queued_training_is_free(api: Api, ready: str) -> None:
    job = ordered(api, ready).json()["id"]

    assert api.post(f"jobs/{job}/cancel").json()["status"] == "cancelled"
    assert api.get(f"jobs/{job}").json()["charged_microusd"] == 0


def test_an_item_can_be_removed_until_the_dataset_is_frozen(api: Api, ready: str) -> None:
    item = api.get(f"datasets/{ready}").json()["items"][0]["id"]
    ordered(api, ready)

    refused = api.client.delete(f"/v1/training/datasets/{ready}/items/{item}")

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "dataset_frozen")
