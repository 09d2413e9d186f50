"""Every address of the API, from the resolver itself: no key is 401, another tenant's object is 404."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.timezone import now

from billing.operations.spend_alerts import create_spend_alert
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.models import Organization, Role, User
from governance.operations.api_keys import CreatedKey, create_api_key
from governance.operations.invitations import invite_member
from governance.operations.webhook_endpoints import create_webhook_endpoint, send_test_event
from inference.models import Generation, TrainingJob
from tests.factories import NOON
from tests.inference.conftest import (  # noqa: F401 (fixtures)
    funded,
    release,
    rung,
    submit,
    submitter,
)

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete")
# Addresses that need no key, each with its reason.
OPEN = {
    "v1/images/content/<str:token>": "the address itself is signed",
    "v1/leaks": "signed by the scanner",
    "v1/audit/key": "a public key",
    "v1/audit/checkpoint": "a signed note of a public log, no entry in it",
    "v1/audit/checkpoints/<int:size>": "a signed note of a public log, no entry in it",
    "v1/audit/consistency": "hashes of a public log",
    "v1/verify": "open to anybody, rate-limited; a job is named to its own organization only",
}
# Addresses whose blanks name a model, which is nobody's object.
OF_NO_TENANT = {
    "v1/models/<str:owner>/<str:name>/predictions",
    "hf/models/<path:model>",
    "generate/image/krea/krea-2/<str:variant>",
}
# Addresses that answer from a thread of their own, which sees only what is committed.
STREAMED = {"v1/training/jobs/<uuid:job_id>/events"}
# Where the dialects live: our own and OpenAI's, Hugging Face's, Krea's.
API = ("v1/", "hf/", "generate/", "jobs/")
# What a request that is understood but refused may answer besides 404.
NOT_HERE = {404, 405, 415}


def api_routes() -> list[str]:
    """Every route of the API, from the resolver, so that a new view is covered at once."""
    found: set[str] = set()

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, route)
            elif route.startswith(API):
                found.add(route)

    walk(get_resolver().url_patterns, "")
    return sorted(found)


def filled(route: str, ids: dict[str, object]) -> str:
    """The address with its blanks filled by objects of one tenant; unknown ones by its generation."""

    def value(match: re.Match[str]) -> str:
        kind, name = match.groups()
        usual = "1" if kind == "int" else ids["generation_id"]
        return str(ids.get(name, usual))

    return "/" + re.sub(r"<(\w+):(\w+)>", value, route)


@pytest.fixture
def ids(
    organization: Organization,
    owner: User,
    api_key: CreatedKey,
    submit: Callable[..., Generation],  # noqa: F811
    order: Callable[..., TrainingJob],
) -> dict[str, object]:
    """One object of every kind that the first tenant has."""
    who: dict[str, Any] = {"organization_id": organization.id, "actor": SYSTEM, "at": NOON}
    endpoint = create_webhook_endpoint(
        url="https://example.com/", events=(), description="", **who
    ).endpoint
    training = order()
    return {
        "generation_id": submit().id,
        "job_id": training.id,
        "dataset_id": training.dataset_id,
        "item_id": training.dataset.items.earliest("id").id,
        "endpoint_id": endpoint.id,
        "delivery_id": send_test_event(endpoint_id=endpoint.id, **who).id,
        "user_id": owner.id,
        "invite_id": invite_member(email="x@example.com", role=Role.MEMBER, **who).invitation.id,
        "project_id": api_key.key.project_id,
        "key_id": api_key.key.id,
        "alert_id": create_spend_alert(
            threshold=usd(1), recipients=["x@example.com"], subject_prefix="", **who
        ).id,
    }


@pytest.mark.parametrize("route", [route for route in api_routes() if route not in OPEN])
def test_without_a_key_is_unauthorized(route: str) -> None:
    address = filled(route, {"generation_id": "0199f0c2-7c1e-7000-8000-000000000000"})

    answers = {
        method: getattr(Client(), method)(address, content_type="application/json").status_code
        if method != "get"
        else Client().get(address).status_code
        for method in METHODS
    }

    assert set(answers.values()) <= {401, 405}
    assert 401 in answers.values()


@pytest.mark.parametrize(
    "route",
    [
        pytest.param(route, marks=pytest.mark.django_db(transaction=route in STREAMED))
        for route in api_routes()
        if "<" in route and route not in {*OPEN, *OF_NO_TENANT}
    ],
)
def test_of_another_tenant_is_not_found(route: str, ids: dict[str, object], stranger: User) -> None:
    project = stranger.memberships.get().organization.projects.get()
    theirs = create_api_key(project=project, name="Theirs", actor=SYSTEM, at=now())
    headers = {"Authorization": f"Bearer {theirs.secret}"}
    body = {"name": "x", "role": "member", "statement": "x", "currency": "USD", "interval": "month"}
    alert = {
        "threshold_amount": 100,
        "notification_channel": {"type": "email", "recipients": ["x@example.com"]},
    }

    answers = {}
    for method in METHODS:
        send = getattr(Client(), method)
        more = (
            {}
            if method == "get"
            else {"data": {**body, **alert}, "content_type": "application/json"}
        )
        answers[method] = send(filled(route, ids), headers=headers, **more).status_code

    assert set(answers.values()) <= NOT_HERE
    assert 404 in answers.values()
