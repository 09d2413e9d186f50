"""The documentation: true, open to everybody, with the reader's own key on demand."""

import ast
import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils.timezone import now

from governance.models import ApiKey, User
from governance.openapi import FILE, description
from governance.operations.api_keys import authenticate
from governance.portal.examples import quick_starts

pytestmark = pytest.mark.django_db


def test_the_description_in_the_repository_is_what_the_code_says() -> None:
    call_command("openapi", check=True)


def test_the_description_is_openapi_3_1_and_every_operation_is_named_and_may_fail() -> None:
    spec = json.loads(FILE.read_text())
    operations = [operation for path in spec["paths"].values() for operation in path.values()]

    assert spec["openapi"].startswith("3.1")
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all("default" in operation["responses"] for operation in operations)


@pytest.mark.parametrize("place", ["/docs/", "/docs/api/", "/problems/", "/llms.txt"])
def test_everybody_may_read(place: str) -> None:
    answer = Client().get(place)

    assert answer.status_code == 200
    assert not re.search(r"""(src|href)=["']https?://(?!krea\\.ai)""", answer.content.decode())


def test_the_served_description_names_this_deployment(settings: Any) -> None:
    spec = Client().get("/docs/openapi.json").json()

    assert spec["servers"] == [{"url": settings.PUBLIC_URL}]
    assert spec["paths"] == description()["paths"]


def test_quick_starts_need_base_url_and_key_and_nothing_else(settings: Any) -> None:
    starts = {start["id"]: start["code"] for start in quick_starts("krea-2-turbo")}

    assert set(starts) == {"python", "javascript", "curl", "open-webui", "langchain", "n8n"}
    for code in starts.values():
        assert f"{settings.PUBLIC_URL}/v1" in code
        assert "YOUR_KEY" in code
    for name in ("python", "langchain"):
        ast.parse(starts[name])


def test_the_reference_has_every_operation(settings: Any) -> None:
    page = Client().get("/docs/api/").content.decode()

    missing = [
        operation["operationId"]
        for path in description()["paths"].values()
        for operation in path.values()
        if f'id="{operation["operationId"]}"' not in page
    ]
    assert missing == []


class TestTestKey:
    def test_is_made_for_the_reader_and_works_without_money(self, reader: Client) -> None:
        answer = reader.post("/docs/test-key/")

        caller = authenticate(secret=answer.json()["key"], at=now(), ip=None)
        key = ApiKey.objects.get()
        assert answer.status_code == 201
        assert "no-store" in answer.headers["Cache-Control"]
        assert (caller.mode, caller.scopes) == ("test", {"images:write", "images:read"})
        assert key.expires_at is not None

    def test_is_not_made_for_who_belongs_nowhere(self, operator: User) -> None:
        browser = Client()
        browser.force_login(operator)

        assert browser.post("/docs/test-key/").status_code == 404
        assert Client().post("/docs/test-key/").status_code == 302
        assert not ApiKey.objects.exists()

    def test_is_offered_only_to_who_may_have_one(self, reader: Client) -> None:
        assert b"data-docs-key" in reader.get("/docs/").content
        assert b"data-docs-key" not in Client().get("/docs/").content
