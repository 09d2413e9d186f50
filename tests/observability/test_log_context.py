"""The request's id stands in its reply and its events, and goes with the messages that it sends."""

import asyncio

import httpx
from django.test import Client

from governance.asgi import application
from governance.celery import CARRIED, carry_context, take_up_context
from governance.kernel import log_context
from inference.tasks import doorbell

PROMPT = "a violet heron over the estuary"


def test_a_reply_and_its_log_event_carry_the_same_id(client: Client, json_lines, db):
    reply = client.get("/v1/models", headers={"X-Request-Id": "mine-0123456789"})

    (event,) = [each for each in json_lines.events if each["logger"] == "licet.request"]
    assert reply.headers["x-request-id"] == "mine-0123456789"
    assert event["request_id"] == "mine-0123456789"
    assert event["message"] == f"GET /v1/models {reply.status_code}"
    assert event["duration_ms"] > 0


def test_the_api_behind_its_own_handler_tells_each_request_once(json_lines, transactional_db):
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as caller:
            return await caller.get("/v1/models", headers={"Authorization": "Bearer lct_live_x"})

    reply = asyncio.run(ask())

    (event,) = [each for each in json_lines.events if each["logger"] == "licet.request"]
    assert reply.status_code == 401
    assert event["request_id"] == reply.headers["x-request-id"]
    assert event["code"] == "invalid_api_key"


def test_the_address_of_an_image_is_told_without_what_opens_it(client: Client, lines, db):
    client.get("/v1/images/content/aGVyb24:1vOPab:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG?x=y")

    assert "v1/images/content" in lines.text
    assert "aGVyb24" not in lines.text


def test_probes_are_not_told_at_all(client: Client, json_lines, db):
    client.get("/healthz")

    assert not [each for each in json_lines.events if each["logger"] == "licet.request"]


def test_a_message_carries_the_senders_context_into_the_task():
    log_context.begin(request_id="req_12345678", organization="o-1")
    headers: dict = {}
    carry_context(headers=headers)
    log_context.begin(request_id="another")
    doorbell.push_request(**{CARRIED: headers[CARRIED]})

    take_up_context(task=doorbell)

    assert log_context.fields() == {"request_id": "req_12345678", "organization": "o-1"}
    doorbell.pop_request()


def test_a_task_that_nobody_asked_for_begins_with_nothing():
    log_context.begin(request_id="of the task before")
    log_context.conceal(PROMPT)
    doorbell.push_request()

    take_up_context(task=doorbell)

    assert log_context.fields() == {}
    assert log_context.concealed() == ()
    doorbell.pop_request()
