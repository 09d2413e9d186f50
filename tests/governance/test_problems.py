"""Errors: one shape everywhere, a page for each code, an id on every reply, an end to every body."""

import asyncio
import json
from typing import Any

import pytest
from django.db.utils import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from governance.body_limit import UPLOAD, USUAL, BodyLimit
from governance.kernel.errors import DomainError
from governance.middleware import ApiProblems, RequestId
from governance.operations.api_keys import CreatedKey
from governance.queries.problems import error_classes, problem_pages

pytestmark = pytest.mark.django_db


# One refusal for clients, whatever it refused: prompt, image or upload (`moderation.stage` says which).
FAMILIES = {"moderation_blocked", "moderation_review"}


class TestCodes:
    def test_each_code_means_one_thing(self) -> None:
        meanings: dict[str, set[tuple[str, int]]] = {}
        for kind in error_classes():
            title = "" if kind.code in FAMILIES else kind.title
            meanings.setdefault(kind.code, set()).add((title, kind.status))

        assert {code: found for code, found in meanings.items() if len(found) > 1} == {}

    def test_each_class_that_is_raised_says_its_own_code_title_and_meaning(self) -> None:
        raised = [kind for kind in error_classes() if not kind.__subclasses__()]
        silent = [
            kind.__qualname__
            for kind in raised
            if kind.code == DomainError.code
            or kind.title == DomainError.title
            or kind.__doc__ == DomainError.__doc__
        ]

        assert silent == []

    @pytest.mark.parametrize("code", sorted(problem_pages()))
    def test_each_code_has_a_page(self, code: str) -> None:
        answer = Client().get(f"/problems/{code}")

        assert answer.status_code == 200
        assert code in answer.content.decode()

    def test_a_code_that_is_none_has_no_page(self) -> None:
        assert Client().get("/problems/no_such_code").status_code == 404

    def test_the_type_of_an_error_leads_to_its_page(self, settings: Any) -> None:
        problem = Client().get("/v1/models").json()

        assert problem["type"] == f"{settings.PUBLIC_URL}/problems/invalid_api_key"


def is_problem(answer: Any, status: int, code: str) -> bool:
    body = json.loads(answer.content)
    return (
        (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
        and (body["status"], body["error"]["code"]) == (status, code)
        and body["error"]["message"] != ""
        and answer.headers["x-request-id"] == body["request_id"]
    )


class TestShape:
    def test_of_an_address_that_does_not_exist(self) -> None:
        assert is_problem(Client().get("/v1/nothing/here"), 404, "not_found")

    def test_of_a_method_that_does_not_exist(self, api_key: CreatedKey) -> None:
        answer = Client().delete(
            "/v1/models", headers={"Authorization": f"Bearer {api_key.secret}"}
        )

        assert is_problem(answer, 405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]

    def test_of_a_body_that_is_no_json(self, api_key: CreatedKey) -> None:
        answer = Client().post(
            "/v1/webhooks",
            "{",
            content_type="application/json",
            headers={"Authorization": f"Bearer {api_key.secret}"},
        )

        assert is_problem(answer, 400, "parse_error")

    def test_of_a_bug_tells_its_id_and_nothing_else(
        self, api_key: CreatedKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("the password is swordfish")

        monkeypatch.setattr("governance.api.webhooks.endpoints_of", fail)
        browser = Client(raise_request_exception=False)
        answer = browser.get("/v1/webhooks", headers={"Authorization": f"Bearer {api_key.secret}"})

        assert is_problem(answer, 500, "internal_error")
        assert answer.headers["x-should-retry"] == "true"
        assert b"swordfish" not in answer.content

    def test_of_a_page_for_people_stays_a_page(self) -> None:
        answer = Client().get("/nothing/here/")

        assert answer.headers["Content-Type"].startswith("text/html")

    def test_keeps_the_callers_own_request_id(self) -> None:
        answer = Client().get("/v1/nothing", headers={"X-Request-Id": "mine-12345678"})

        assert answer.headers["x-request-id"] == "mine-12345678"

    def test_of_plain_answers_under_the_api_is_made_a_problem(self) -> None:
        def refuse(_request: HttpRequest) -> HttpResponse:
            return HttpResponse("<h1>No</h1>", status=418)

        request = HttpRequest()
        request.path = "/v1/teapot"

        answer = RequestId(ApiProblems(refuse))(request)

        assert is_problem(answer, 418, "request_refused")


def asked(body_parts: list[bytes], headers: dict[str, str]) -> tuple[int | None, int]:
    """The status that a body gets from an application that reads it all, and the bytes it read."""
    read = 0

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal read
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            read += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    messages = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(body_parts)}
        for number, part in enumerate(body_parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": "/v1/x",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(BodyLimit(application)(scope, receive, send))
    return next((message["status"] for message in sent if "status" in message), None), read


class TestBody:
    MB = b"x" * 1024 * 1024

    def test_within_the_limit_passes(self) -> None:
        assert asked([self.MB, self.MB], {}) == (200, USUAL)

    def test_that_says_it_is_too_large_is_not_read(self) -> None:
        assert asked([self.MB], {"content-length": str(USUAL + 1)}) == (413, 0)

    def test_of_unknown_length_ends_at_the_limit(self) -> None:
        assert asked([self.MB] * 5, {}) == (413, USUAL)

    def test_that_is_a_picture_may_be_larger(self) -> None:
        parts = [self.MB] * (UPLOAD // len(self.MB))

        assert asked(parts, {"content-type": "image/png"}) == (200, UPLOAD)
        assert asked([*parts, b"x"], {"content-type": "image/png"}) == (413, UPLOAD)


class TestCors:
    def test_is_off(self) -> None:
        answer = Client().get("/v1/models", headers={"Origin": "https://evil.example"})

        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_where_set_names_that_origin_only(self, settings: Any) -> None:
        settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
        settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]

        def allowed(place: str, origin: str) -> str | None:
            return (
                Client()
                .get(place, headers={"Origin": origin})
                .headers.get("Access-Control-Allow-Origin")
            )

        assert allowed("/v1/models", "https://app.example") == "https://app.example"
        assert allowed("/v1/models", "https://evil.example") is None
        assert allowed("/login/", "https://app.example") is None


class TestADatabaseThatDoesNotAnswer:
    @pytest.mark.parametrize("silence", [OperationalError, InterfaceError])
    def test_is_a_503_that_says_when_to_come_again(self, silence: type[Exception]) -> None:
        middleware = ApiProblems(lambda _request: HttpResponse())

        answer = middleware.process_exception(
            RequestFactory().post("/v1/generations"), silence("the connection is lost")
        )

        assert answer is not None
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.headers["x-should-retry"] == "true"

    @pytest.mark.parametrize(
        ("path", "fault"),
        [("/v1/generations", ValueError("a bug")), ("/login/", OperationalError("lost"))],
    )
    def test_a_bug_and_a_page_are_left_to_django(self, path: str, fault: Exception) -> None:
        middleware = ApiProblems(lambda _request: HttpResponse())

        assert middleware.process_exception(RequestFactory().get(path), fault) is None
