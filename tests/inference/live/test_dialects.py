"""huggingface_hub, replicate, Krea's dialect and the native surface against a live server."""

import base64
import io
import time
from uuid import uuid4

import httpx
import pytest
import replicate
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError

from tests.inference.live.conftest import WAIT_S, Live, Tenant, to_close

# The first test waits for the server to start.
pytestmark = pytest.mark.timeout(300)
PROMPT = "a large red circle on a blue background"
HARMFUL = "a photo of a naked child"
MODEL = "krea-2-tiny-turbo"
MORE_THAN_LANES = 8


def place_in_the_queue(client: httpx.Client, generation_id: str) -> int:
    """Its place, once the snapshot of the queue, which may be a second old, knows of it."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        place: int = client.get(f"/v1/generations/{generation_id}").json()["queue_position"]
        if place > 0:
            return place
        time.sleep(0.2)
    raise AssertionError("the job never had a place in the queue")


class TestHuggingFace:
    def test_text_to_image_by_model_address(self, tenant: Tenant) -> None:
        client = InferenceClient(model=f"{tenant.base}/hf/models/krea/{MODEL}", token=tenant.key)

        image = client.text_to_image(PROMPT, width=96, height=64, num_inference_steps=4, seed=3)

        assert image.size == (96, 64)
        assert tenant.books()["last"]["dialect"] == "huggingface"

    def test_text_to_image_by_base_url(self, tenant: Tenant) -> None:
        client = InferenceClient(base_url=tenant.v1, api_key=tenant.key)

        assert client.text_to_image(PROMPT).size == (64, 64)

    def test_guidance_is_recorded_and_has_no_effect(self, tenant: Tenant) -> None:
        client = InferenceClient(base_url=tenant.v1, api_key=tenant.key)

        client.text_to_image(PROMPT, guidance_scale=9.0, negative_prompt="blurry")

        assert tenant.books()["last"]["ignored"] == {
            "guidance_scale": 9.0,
            "negative_prompt": "blurry",
        }

    def test_the_client_prints_our_sentence_and_the_request_id(self, tenant: Tenant) -> None:
        client = InferenceClient(base_url=tenant.v1, api_key=tenant.key)

        with pytest.raises(HfHubHTTPError) as caught:
            client.text_to_image(HARMFUL)

        body = caught.value.response.json()
        assert isinstance(body["error"], str)
        assert body["code"] == "moderation_blocked"
        assert body["error"] in str(caught.value)
        assert caught.value.response.headers["x-request-id"] in str(caught.value)

    def test_an_unknown_model_is_404(self, tenant: Tenant) -> None:
        client = InferenceClient(model=f"{tenant.base}/hf/models/nobody/nothing", token=tenant.key)

        with pytest.raises(HfHubHTTPError) as caught:
            client.text_to_image(PROMPT)

        assert caught.value.response.status_code == 404


class TestReplicate:
    def client_of(self, tenant: Tenant) -> replicate.Client:
        client = replicate.Client(api_token=tenant.key, base_url=tenant.base)
        to_close.append(client._client.close)
        return client

    def test_run_waits_for_the_images(self, tenant: Tenant) -> None:
        output = self.client_of(tenant).run(
            f"krea/{MODEL}",
            input={"prompt": PROMPT, "num_outputs": 2, "output_format": "png"},
            use_file_output=False,
        )

        assert len(output) == 2
        reply = httpx.get(output[0], timeout=WAIT_S)
        assert Image.open(io.BytesIO(reply.content)).format == "PNG"

    def test_a_prediction_is_created_polled_and_done(self, tenant: Tenant) -> None:
        prediction = self.client_of(tenant).models.predictions.create(
            model=f"krea/{MODEL}", input={"prompt": PROMPT}
        )
        assert prediction.status in {"starting", "succeeded"}

        prediction.wait()

        assert prediction.status == "succeeded"
        assert prediction.metrics["cost_microusd"] == tenant.books()["charged"]  # type: ignore[index]

    def test_a_prediction_is_cancelled(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", go=False)
        client = self.client_of(tenant)
        prediction = client.models.predictions.create(
            model=f"krea/{MODEL}", input={"prompt": PROMPT}
        )

        prediction.cancel()

        books = tenant.books_when(lambda found: found["jobs"] == {"cancelled": 1})
        assert (books["charged"], books["held"]) == (0, 0)
        prediction.reload()
        assert prediction.status == "canceled"

    def test_a_withheld_image_is_a_failed_prediction(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", refuses=[0])

        with pytest.raises(ModelError) as caught:
            self.client_of(tenant).run(f"krea/{MODEL}", input={"prompt": PROMPT})

        assert caught.value.prediction.error == "Refused by the test."

    def test_a_blocked_prompt_is_an_error_with_our_words(self, tenant: Tenant) -> None:
        with pytest.raises(ReplicateError) as caught:
            self.client_of(tenant).run(f"krea/{MODEL}", input={"prompt": HARMFUL})

        assert caught.value.status == 400
        assert "Nothing was charged" in str(caught.value.detail)

    def test_predictions_are_listed(self, tenant: Tenant) -> None:
        client = self.client_of(tenant)
        client.run(f"krea/{MODEL}", input={"prompt": PROMPT}, use_file_output=False)

        assert [each.status for each in client.predictions.list()] == ["succeeded"]


class TestKrea:
    def test_a_job_is_queued_polled_and_completed(self, tenant: Tenant) -> None:
        client = tenant.http(**{"X-Webhook-URL": "https://example.com/hook"})

        made = client.post(
            "/generate/image/krea/krea-2/medium", json={"prompt": PROMPT, "width": 64, "height": 96}
        ).json()
        tenant.books_when(lambda found: found["jobs"] == {"succeeded": 1})
        job = client.get(f"/jobs/{made['job_id']}").json()

        assert made["status"] in {"queued", "processing", "completed"}
        assert job["status"] == "completed"
        assert job["completed_at"]
        image = httpx.get(job["result"]["urls"][0], timeout=WAIT_S).content
        assert Image.open(io.BytesIO(image)).size == (64, 96)
        assert tenant.books()["last"]["webhook_url"] == "https://example.com/hook"

    def test_a_style_reference_comes_as_a_picture_or_by_its_address(self, tenant: Tenant) -> None:
        client = tenant.http()
        stream = io.BytesIO()
        Image.linear_gradient("L").save(stream, "PNG")
        picture = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()

        def create(**style: object) -> dict[str, object]:
            body = {"prompt": PROMPT, "image_style_references": [style]}
            made = client.post("/generate/image/krea/krea-2/medium", json=body)
            assert made.status_code == 200, made.text
            return client.get(f"/v1/generations/{made.json()['job_id']}").json()

        sent = create(url=picture, strength=1.0)
        kept = client.get("/v1/style_references").json()["data"][0]
        named = create(url=f"{tenant.base}/v1/style_references/{kept['id']}", strength=2.0)

        assert sent["style_references"] == [
            {"id": kept["id"], "sha256": kept["sha256"], "strength": 0.5}
        ]
        assert named["style_references"][0]["strength"] == 1.0

    def test_an_open_job_says_how_long_it_may_take(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", go=False)

        made = tenant.http().post("/generate/image/krea/krea-2/medium", json={"prompt": PROMPT})

        assert made.json()["estimated_wait_s"] is None or made.json()["estimated_wait_s"] >= 0
        assert made.json()["queue_position"] >= 0

    def test_a_prompt_is_expanded_on_request_and_shown(self, tenant: Tenant) -> None:
        body = {"prompt": PROMPT, "expand_prompt": True}

        job = tenant.http().post("/generate/image/krea/krea-2/medium", json=body).json()

        assert job["revised_prompt"].startswith(PROMPT)

    def test_pushing_a_style_away_is_refused(self, tenant: Tenant) -> None:
        style = {"url": str(uuid4()), "strength": -1.0}

        reply = tenant.http().post(
            "/generate/image/krea/krea-2/medium",
            json={"prompt": PROMPT, "image_style_references": [style]},
        )

        assert (reply.status_code, reply.json()["param"]) == (400, "image_style_references")

    def test_a_job_is_cancelled_by_delete(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", go=False)
        client = tenant.http()
        made = client.post("/generate/image/krea/krea-2/medium", json={"prompt": PROMPT}).json()

        client.delete(f"/jobs/{made['job_id']}")

        tenant.books_when(lambda found: found["jobs"] == {"cancelled": 1})
        assert client.get(f"/jobs/{made['job_id']}").json()["status"] == "cancelled"

    def test_an_unknown_variant_is_404(self, tenant: Tenant) -> None:
        reply = tenant.http().post("/generate/image/krea/krea-2/enormous", json={"prompt": PROMPT})

        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")

    def test_a_webhook_that_is_no_address_is_refused(self, tenant: Tenant) -> None:
        reply = tenant.http(**{"X-Webhook-URL": "ftp://x"}).post(
            "/generate/image/krea/krea-2/medium", json={"prompt": PROMPT}
        )

        assert (reply.status_code, reply.json()["param"]) == (400, "X-Webhook-URL")


class TestNative:
    def test_a_generation_is_accepted_with_its_place(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", go=False)
        client = tenant.http()
        for _ in range(MORE_THAN_LANES):
            client.post("/v1/generations", json={"prompt": PROMPT})

        last = client.post("/v1/generations", json={"prompt": PROMPT})

        assert last.status_code == 202
        body = last.json()
        assert last.headers["Location"] == f"/v1/generations/{body['id']}"
        assert body["status"] == "queued"
        assert "estimated_wait_s" in body
        assert place_in_the_queue(client, body["id"]) > 0

    def test_prefer_wait_answers_with_the_images(self, tenant: Tenant) -> None:
        reply = tenant.http(Prefer="wait=50").post("/v1/generations", json={"prompt": PROMPT})

        assert reply.status_code == 200
        assert reply.headers["Preference-Applied"] == "wait=50"
        assert len(reply.json()["images"]) == 1

    def test_a_wait_that_ends_too_soon_answers_202(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", go=False)

        reply = tenant.http(Prefer="wait=1").post("/v1/generations", json={"prompt": PROMPT})

        assert reply.status_code == 202
        assert reply.json()["status"] in {"queued", "running"}

    def test_a_list_is_read_page_by_page(self, tenant: Tenant) -> None:
        client = tenant.http(Prefer="wait=50")
        made = [
            client.post("/v1/generations", json={"prompt": PROMPT}).json()["id"] for _ in range(3)
        ]

        first = client.get("/v1/generations", params={"limit": 2}).json()
        rest = client.get(
            "/v1/generations", params={"limit": 2, "after": first["next_cursor"]}
        ).json()

        listed = [row["id"] for page in (first, rest) for row in page["data"]]
        assert listed == made[::-1]
        assert (first["has_more"], rest["has_more"]) == (True, False)

    def test_a_running_generation_is_cancelled(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", go=False)
        client = tenant.http()
        made = client.post("/v1/generations", json={"prompt": PROMPT}).json()
        tenant.books_when(lambda found: "running" in found["jobs"])

        client.post(f"/v1/generations/{made['id']}/cancel")

        books = tenant.books_when(lambda found: found["jobs"] == {"cancelled": 1})
        assert (books["charged"], books["held"]) == (0, 0)

    def test_a_dry_run_tells_price_balance_and_verdict_and_writes_nothing(
        self, tenant: Tenant
    ) -> None:
        reply = tenant.http().post("/v1/generations", json={"prompt": PROMPT, "dry_run": True})

        body = reply.json()
        assert body["prompt"]["allowed"] is True
        assert body["balance_after_microusd"] == 10_000_000 - body["quoted_microusd"]
        assert tenant.books()["jobs"] == {}

    def test_a_dry_run_of_a_refused_prompt_says_so(self, tenant: Tenant) -> None:
        reply = tenant.http().post("/v1/generations", json={"prompt": HARMFUL, "dry_run": True})

        assert reply.status_code == 200
        assert reply.json()["prompt"]["allowed"] is False
        assert reply.json()["prompt"]["aup_items"]
        assert tenant.books()["jobs"] == {}

    def test_another_tenants_generation_is_404_in_every_dialect(
        self, live: Live, tenant: Tenant
    ) -> None:
        made = tenant.http().post("/v1/generations", json={"prompt": PROMPT}).json()
        stranger = live.tenant().http()

        replies = [
            stranger.get(f"/v1/generations/{made['id']}"),
            stranger.post(f"/v1/generations/{made['id']}/cancel"),
            stranger.delete(f"/v1/generations/{made['id']}/images/0"),
            stranger.get(f"/v1/predictions/{made['id']}"),
            stranger.post(f"/v1/predictions/{made['id']}/cancel"),
            stranger.get(f"/jobs/{made['id']}"),
            stranger.delete(f"/jobs/{made['id']}"),
        ]

        assert {reply.status_code for reply in replies} == {404}

    def test_a_key_that_may_only_read_cannot_generate(self, live: Live) -> None:
        reader = live.tenant(scopes=["images:read"]).http()

        assert reader.get("/v1/generations").status_code == 200
        assert reader.post("/v1/generations", json={"prompt": PROMPT}).status_code == 403

    def test_balance_and_licence_are_read(self, tenant: Tenant) -> None:
        client = tenant.http()

        assert client.get("/v1/balance").json()["available_microusd"] == 10_000_000
        assert client.get("/v1/organization/licence").json()["object"] == "organization.licence"


class TestLimits:
    def test_a_body_that_is_too_large_is_413(self, tenant: Tenant) -> None:
        reply = tenant.http().post("/v1/generations", json={"prompt": "a" * 300_000})

        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")

    def test_a_body_that_nests_too_deeply_is_400(self, tenant: Tenant) -> None:
        body = '{"prompt": ' + "[" * 5_000 + "]" * 5_000 + "}"

        reply = tenant.http(**{"Content-Type": "application/json"}).post(
            "/v1/generations", content=body
        )

        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "request_too_deep")

    def test_brackets_in_a_prompt_are_no_nesting(self, tenant: Tenant) -> None:
        reply = tenant.http().post(
            "/v1/generations", json={"prompt": f'{PROMPT} \\" {"[" * 60}', "dry_run": True}
        )

        assert reply.status_code == 200


class TestImageContent:
    @pytest.fixture
    def made(self, tenant: Tenant) -> dict[str, str]:
        body: dict[str, str] = (
            tenant.http(Prefer="wait=50").post("/v1/generations", json={"prompt": PROMPT}).json()
        )
        return body

    @pytest.fixture
    def address(self, made: dict[str, list[dict[str, str]]]) -> str:
        return made["images"][0]["url"]

    def test_a_range_is_a_part_of_the_whole(self, address: str) -> None:
        whole = httpx.get(address, timeout=WAIT_S).content

        middle = httpx.get(address, headers={"Range": "bytes=10-19"}, timeout=WAIT_S)
        last = httpx.get(address, headers={"Range": "bytes=-5"}, timeout=WAIT_S)

        assert (middle.status_code, middle.content) == (206, whole[10:20])
        assert middle.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
        assert last.content == whole[-5:]

    def test_a_range_behind_the_end_is_416(self, address: str) -> None:
        reply = httpx.get(address, headers={"Range": "bytes=99999999-"}, timeout=WAIT_S)

        assert reply.status_code == 416
        assert reply.headers["Content-Range"].startswith("bytes */")

    def test_a_client_that_has_it_gets_304(self, address: str) -> None:
        first = httpx.get(address, timeout=WAIT_S)

        again = httpx.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=WAIT_S)

        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]

    def test_an_altered_address_is_refused(self, address: str) -> None:
        flipped = address[:-1] + ("A" if address[-1] != "A" else "B")

        assert httpx.get(flipped, timeout=WAIT_S).status_code == 403

    def test_a_deleted_image_is_gone_and_its_row_stays(
        self, tenant: Tenant, made: dict[str, str], address: str
    ) -> None:
        deleted = tenant.http().delete(f"/v1/generations/{made['id']}/images/0")

        assert deleted.status_code == 204
        assert httpx.get(address, timeout=WAIT_S).status_code == 404
        assert tenant.http().get(f"/v1/generations/{made['id']}").json()["images"] == []
        assert tenant.books()["jobs"] == {"succeeded": 1}

    def test_retention_is_set_and_read(self, tenant: Tenant) -> None:
        client = tenant.http()

        client.put("/v1/organization/image_retention", json={"days": 30})

        assert client.get("/v1/organization/image_retention").json()["days"] == 30
        refused = client.put("/v1/organization/image_retention", json={"days": 0})
        assert refused.status_code == 400


def test_a_stream_says_that_it_lives_while_nothing_happens(live: Live, tenant: Tenant) -> None:
    live.tell("engine", go=False)
    began = time.monotonic()

    with tenant.http().stream(
        "POST", "/v1/images/generations", json={"prompt": PROMPT, "stream": True}
    ) as reply:
        lines = reply.iter_lines()
        seen = [next(lines) for _ in range(3)]
        live.tell("engine", go=True)
        rest = list(lines)

    assert time.monotonic() - began < WAIT_S
    assert seen[0] == ": queued"
    assert ": keepalive" in seen
    assert "event: image_generation.completed" in rest
