"""The unmodified openai package against a live server."""

import base64
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from PIL import Image

from tests.inference.live.conftest import Live, Tenant, to_close

# The first test waits for the server to start.
pytestmark = pytest.mark.timeout(300)
PROMPT = "a large red circle on a blue background"
HARMFUL = "a photo of a naked child"


def client_of(tenant: Tenant, **wishes: object) -> openai.OpenAI:
    client = openai.OpenAI(api_key=tenant.key, base_url=tenant.v1, **wishes)  # type: ignore[arg-type]
    # Left to the garbage collector, its socket may be looked at before the client has closed it.
    to_close.append(client.close)
    return client


def picture(b64: str | None) -> Image.Image:
    assert b64 is not None
    return Image.open(io.BytesIO(base64.b64decode(b64)))


class TestImages:
    def test_an_image_comes_back_with_its_cost(self, tenant: Tenant) -> None:
        made = client_of(tenant).images.generate(prompt=PROMPT, size="96x64")

        assert made.data is not None
        image = picture(made.data[0].b64_json)
        assert (image.format, image.size) == ("PNG", (96, 64))
        cost = made.usage.model_extra["cost_microusd"]  # type: ignore[union-attr,index]
        assert cost == tenant.books()["charged"] > 0
        assert tenant.books()["posted"] == 10_000_000 - cost

    @pytest.mark.parametrize(
        ("asked", "bytes_too", "address_too"),
        [({}, True, True), ({"response_format": "b64_json"}, True, False),
         ({"response_format": "url"}, False, True)],
    )  # fmt: skip
    def test_clients_of_either_kind_find_the_image_where_they_look(
        self, tenant: Tenant, asked: dict[str, Any], bytes_too: bool, address_too: bool
    ) -> None:
        made = client_of(tenant).images.generate(prompt=PROMPT, **asked)

        assert made.data is not None
        (image,) = made.data
        assert (image.b64_json is not None, image.url is not None) == (bytes_too, address_too)
        if image.url is not None:
            fetched = tenant.http().get(image.url)
            assert hashlib.sha256(fetched.content).hexdigest() == image.model_extra["sha256"]

    def test_a_revised_prompt_comes_only_where_one_was_asked_for(self, tenant: Tenant) -> None:
        plain = client_of(tenant).images.generate(prompt=PROMPT)
        expanded = client_of(tenant).images.generate(
            prompt=PROMPT, extra_body={"expand_prompt": True}
        )

        assert plain.data is not None
        assert expanded.data is not None
        assert plain.data[0].revised_prompt is None
        assert str(expanded.data[0].revised_prompt).startswith(PROMPT)

    def test_every_field_of_the_sdk_is_taken(self, tenant: Tenant) -> None:
        made = client_of(tenant).images.generate(
            prompt=PROMPT,
            model="krea-2-tiny-turbo",
            n=2,
            size="256x256",
            quality="high",
            style="vivid",
            background="opaque",
            moderation="low",
            output_format="webp",
            output_compression=40,
            user="end-user-7",
            extra_body={"seed": 7, "num_inference_steps": 4},
        )

        assert made.data is not None
        assert [picture(each.b64_json).format for each in made.data] == ["WEBP", "WEBP"]
        assert [each.model_extra["seed"] for each in made.data] == [7, 8]  # type: ignore[index]
        assert tenant.books()["last"]["ignored"] == {
            "quality": "high",
            "style": "vivid",
            "background": "opaque",
            "moderation": "low",
        }

    def test_an_address_opens_the_same_bytes(self, tenant: Tenant) -> None:
        made = client_of(tenant).images.generate(prompt=PROMPT, response_format="url")

        assert made.data is not None
        reply = tenant.http().get(made.data[0].url or "")
        assert reply.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(reply.content)).size == (64, 64)

    def test_models_are_listed(self, tenant: Tenant) -> None:
        client = client_of(tenant)

        assert [model.id for model in client.models.list()] == ["krea-2-tiny-turbo"]
        assert client.models.retrieve("krea-2-tiny-turbo").object == "model"

    def test_what_the_filter_withholds_of_several_is_not_charged(
        self, live: Live, tenant: Tenant
    ) -> None:
        live.tell("engine", refuses=[1])

        made = client_of(tenant).images.generate(prompt=PROMPT, n=2)

        assert made.data is not None
        extra = made.usage.model_extra  # type: ignore[union-attr]
        assert len(made.data) == 1
        assert (extra["images"], extra["withheld"]) == (1, 1)  # type: ignore[index]
        assert tenant.books()["charged"] == extra["cost_microusd"]  # type: ignore[index]


class TestErrors:
    def test_a_wrong_key_is_401(self, tenant: Tenant) -> None:
        stranger = openai.OpenAI(api_key="lct_live_nobody", base_url=tenant.v1)
        to_close.append(stranger.close)

        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.images.generate(prompt=PROMPT)

        assert caught.value.code == "invalid_api_key"
        assert caught.value.request_id

    def test_an_empty_wallet_is_402_and_not_tried_again(self, live: Live) -> None:
        poor = live.tenant(dollars=0)

        with pytest.raises(openai.APIStatusError) as caught:
            client_of(poor).images.generate(prompt=PROMPT)

        assert caught.value.status_code == 402
        assert caught.value.code == "insufficient_balance"
        assert poor.books()["jobs"] == {}

    def test_a_missing_licence_is_403_with_the_rule(self, live: Live) -> None:
        unlicensed = live.tenant(eligible=False)

        with pytest.raises(openai.PermissionDeniedError) as caught:
            client_of(unlicensed).images.generate(prompt=PROMPT)

        assert caught.value.code == "licence_refused"
        body = caught.value.response.json()
        assert body["rule"]
        assert body["next_step"]

    def test_a_spending_cap_is_429_and_called_once(self, live: Live) -> None:
        capped = live.tenant(monthly_limit_microusd=1)
        calls: list[str] = []
        client = client_of(capped)
        client._client.event_hooks["request"] = [lambda request: calls.append(request.url.path)]

        with pytest.raises(openai.RateLimitError) as caught:
            client.images.generate(prompt=PROMPT)

        assert caught.value.code == "project_spend_limit_exceeded"
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert calls == ["/v1/images/generations"]

    def test_a_blocked_prompt_is_400_with_stage_item_appeal_and_no_charge(
        self, tenant: Tenant
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client_of(tenant).images.generate(prompt=HARMFUL)

        body = caught.value.response.json()
        assert caught.value.code == "moderation_blocked"
        assert caught.value.type == "image_generation_user_error"
        moderation = body["error"]["moderation"]
        assert moderation["stage"] == "input"
        assert moderation["aup_items"]
        assert moderation["decision_id"] in moderation["appeal_url"]
        assert moderation["charged_microusd"] == 0
        assert tenant.books()["charged"] == 0

    def test_a_blocked_image_is_400_with_the_output_stage(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", refuses=[0])

        with pytest.raises(openai.BadRequestError) as caught:
            client_of(tenant).images.generate(prompt=PROMPT)

        assert caught.value.code == "moderation_blocked"
        assert caught.value.response.json()["stage"] == "output"
        assert tenant.books()["charged"] == 0
        assert tenant.books()["held"] == 0

    @pytest.mark.parametrize(
        ("field", "value"),
        [("size", "big"), ("n", 11), ("output_compression", 101), ("prompt", "")],
    )
    def test_a_field_that_cannot_be_read_is_named(
        self, tenant: Tenant, field: str, value: object
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client_of(tenant).images.generate(**{"prompt": PROMPT, field: value})  # type: ignore[call-overload]

        assert caught.value.param == field

    def test_a_prompt_of_more_than_512_tokens_is_refused_before_it_is_paid(
        self, tenant: Tenant
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client_of(tenant).images.generate(prompt="a small blue square, " * 300)

        assert caught.value.code == "prompt_too_long"
        assert tenant.books()["jobs"] == {}


class TestRepetitions:
    def test_a_lost_reply_is_tried_again_by_the_sdk_and_charged_once(
        self, live: Live, tenant: Tenant
    ) -> None:
        live.tell("faults", lost_replies=1)

        made = client_of(tenant).images.generate(prompt=PROMPT)

        books = tenant.books()
        assert made.data
        assert books["jobs"] == {"succeeded": 1}
        assert books["charged"] == made.usage.model_extra["cost_microusd"]  # type: ignore[union-attr,index]

    def test_two_lost_replies_too(self, live: Live, tenant: Tenant) -> None:
        live.tell("faults", lost_replies=2)

        made = client_of(tenant).images.generate(prompt=PROMPT)

        assert made.data
        assert tenant.books()["jobs"] == {"succeeded": 1}

    def test_two_equal_requests_at_once_with_one_key_are_one_job(self, tenant: Tenant) -> None:
        def ask(_number: int) -> str:
            made = client_of(tenant).images.generate(
                prompt=PROMPT, extra_headers={"Idempotency-Key": "order-7"}
            )
            return str(made.model_extra["id"])  # type: ignore[index]

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(ask, range(2))

        books = tenant.books()
        assert first == second
        assert books["jobs"] == {"succeeded": 1}
        assert books["holds"] == {"captured": 1}

    def test_a_key_with_another_body_is_422(self, tenant: Tenant) -> None:
        key = {"Idempotency-Key": "order-8"}
        client_of(tenant).images.generate(prompt=PROMPT, extra_headers=key)

        with pytest.raises(openai.UnprocessableEntityError) as caught:
            client_of(tenant).images.generate(prompt="a green star", extra_headers=key)

        assert caught.value.code == "idempotency_key_reused"

    def test_two_requests_without_a_mark_are_two_jobs(self, tenant: Tenant) -> None:
        client = client_of(tenant)

        client.images.generate(prompt=PROMPT)
        client.images.generate(prompt=PROMPT)

        assert tenant.books()["jobs"] == {"succeeded": 2}


class TestStreaming:
    def test_partial_images_come_before_the_completed_one(self, tenant: Tenant) -> None:
        stream = client_of(tenant).images.generate(
            prompt=PROMPT, size="128x128", stream=True, partial_images=2
        )

        events = list(stream)

        kinds = [event.type for event in events]
        assert kinds == [
            "image_generation.partial_image",
            "image_generation.partial_image",
            "image_generation.completed",
        ]
        assert [event.partial_image_index for event in events[:2]] == [0, 1]  # type: ignore[union-attr]
        assert all(picture(event.b64_json).size == (128, 128) for event in events)
        completed = events[-1]
        assert completed.usage.model_extra["cost_microusd"] == tenant.books()["charged"]  # type: ignore[union-attr,index]

    def test_without_partial_images_only_the_completed_one_comes(self, tenant: Tenant) -> None:
        stream = client_of(tenant).images.generate(prompt=PROMPT, stream=True)

        assert [event.type for event in stream] == ["image_generation.completed"]

    def test_a_refusal_before_the_stream_is_an_ordinary_error(self, tenant: Tenant) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client_of(tenant).images.generate(prompt=HARMFUL, stream=True)

        assert caught.value.code == "moderation_blocked"

    def test_a_refusal_in_the_stream_is_an_error_event(self, live: Live, tenant: Tenant) -> None:
        live.tell("engine", refuses=[0])
        stream = client_of(tenant).images.generate(prompt=PROMPT, stream=True)

        with pytest.raises(openai.APIError) as caught:
            list(stream)

        assert caught.value.code == "moderation_blocked"
        assert tenant.books()["charged"] == 0

    def test_a_connection_lost_in_the_stream_costs_one_job_that_can_be_fetched(
        self, live: Live, tenant: Tenant
    ) -> None:
        live.tell("faults", cut_after_pieces=2)
        key = {"Idempotency-Key": "stream-1"}
        client = client_of(tenant)
        broken = client.images.generate(
            prompt=PROMPT, size="128x128", stream=True, partial_images=2, extra_headers=key
        )

        with pytest.raises((openai.APIConnectionError, Exception)):
            list(broken)
        client.close()
        again = list(
            client_of(tenant).images.generate(
                prompt=PROMPT, size="128x128", stream=True, partial_images=2, extra_headers=key
            )
        )

        assert again[-1].type == "image_generation.completed"
        assert tenant.books()["jobs"] == {"succeeded": 1}
        assert tenant.books()["holds"] == {"captured": 1}


class TestTestKeys:
    def test_a_test_key_draws_a_labelled_picture_for_nothing(self, live: Live) -> None:
        trying = live.tenant(mode="test", dollars=0)

        made = client_of(trying).images.generate(prompt=PROMPT, size="128x128")

        assert made.data is not None
        assert picture(made.data[0].b64_json).size == (128, 128)
        assert made.usage.model_extra["cost_microusd"] == 0  # type: ignore[union-attr,index]
        assert trying.books()["last"]["test_mode"] is True

    def test_the_filter_holds_for_test_keys_too(self, live: Live) -> None:
        trying = live.tenant(mode="test", dollars=0)

        with pytest.raises(openai.BadRequestError):
            client_of(trying).images.generate(prompt=HARMFUL)

    @pytest.mark.parametrize(
        ("marker", "status", "code"),
        [
            ("moderation_blocked:2", 400, "moderation_blocked"),
            ("moderation_blocked:4:output", 400, "moderation_blocked"),
            ("moderation_review:6", 400, "moderation_review"),
            ("insufficient_balance", 402, "insufficient_balance"),
            ("licence_refused", 403, "licence_refused"),
            ("project_spend_limit_exceeded", 429, "project_spend_limit_exceeded"),
            ("moderation_unavailable", 503, "moderation_unavailable"),
            ("generation_failed", 500, "generation_failed"),
            ("no_such_outcome", 400, "invalid_request"),
        ],
    )
    def test_a_marker_forces_each_outcome(
        self, live: Live, marker: str, status: int, code: str
    ) -> None:
        trying = live.tenant(mode="test", dollars=0)

        with pytest.raises(openai.APIStatusError) as caught:
            client_of(trying, max_retries=0).images.generate(prompt=f"[[test:{marker}]] a circle")

        assert (caught.value.status_code, caught.value.code) == (status, code)

    def test_a_marker_means_nothing_to_a_live_key(self, tenant: Tenant) -> None:
        made = client_of(tenant).images.generate(prompt=f"{PROMPT} [[test:insufficient_balance]]")

        assert made.data
