"""Second factors and passkeys are there for everybody, whatever their role."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from governance.models import Role
from tests.governance.tenants import bare, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    user = member(bare(), role=Role.MEMBER)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize(
    "page", ["2fa/", "2fa/totp/activate/", "2fa/webauthn/add/", "2fa/webauthn/"]
)
def test_a_person_without_a_password_reaches_every_page(client: Client, page: str) -> None:
    assert client.get(f"/accounts/{page}").status_code == 200


def test_no_page_of_a_second_factor_runs_inline_script(client: Client) -> None:
    page = client.get("/accounts/2fa/webauthn/add/").content.decode()

    inline = [part for part in page.split("<script")[1:] if "src=" not in part.split(">")[0]]
    assert all("application/json" in part.split(">")[0] for part in inline)


def test_an_authenticator_app_is_connected_with_its_code(client: Client) -> None:
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    counter = next(iter(yield_hotp_counters_from_time()))

    done = client.post(
        "/accounts/2fa/totp/activate/", {"code": format_hotp_value(hotp_value(secret, counter))}
    )

    assert done.status_code == 302
    kinds = set(Authenticator.objects.values_list("type", flat=True))
    assert Authenticator.Type.TOTP in kinds


def test_the_page_to_sign_in_with_a_passkey_answers() -> None:
    answer = Client().get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"})

    assert answer.status_code == 200
    assert "request_options" in answer.json() or "challenge" in str(answer.json())
