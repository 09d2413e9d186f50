"""The licence pages in a real Chromium: accessible, silent, never too wide; a passkey made and used."""

from collections.abc import Callable

import pytest
from django.utils.timezone import now
from playwright.sync_api import Page

from governance.models import Role, User
from governance.operations.contracts import ContractTerms, record_contract
from governance.operations.end_users import claim_end_user_seat, set_end_user_policy
from governance.operations.termination import record_notice
from tests.governance.pages import owner_of, staff
from tests.governance.tenants import DAY, OPERATOR, licensed, member, release
from tests.portal.test_browser import (  # noqa: F401 (fixtures)
    as_person,
    browser,
    is_wider_than_the_screen,
    violations,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
]
SCREENS = [("light", 1280), ("dark", 1280), ("light", 390)]
TENANT = (
    "licence/", "licence/terms/", "licence/attestation/", "licence/attestation/revenue/", "seats/",
    "identity/", "people/{guest}/",
)  # fmt: skip
STAFF = (
    "/operator/", "/operator/releases/", "/operator/terms/",
    "/operator/terms/2026-06-22.1/", "/operator/organizations/{slug}/",
)  # fmt: skip
ACCOUNT = ("2fa/", "2fa/totp/activate/", "2fa/webauthn/add/", "2fa/webauthn/")


def lived_in() -> tuple[User, dict[str, str]]:
    """An enterprise with people, end users, a notice and a release; its owner and its names."""
    organization = licensed(seats=3, at=now())
    guest = member(organization, role=Role.ADMIN, at=now())
    record_contract(
        organization_id=organization.id,
        agreed=ContractTerms(
            "E-1", now() - DAY, now() + 300 * DAY, 200, frozenset({"sso", "dpa"}), "d" * 64
        ),
        actor=OPERATOR,
        at=now(),
    )
    set_end_user_policy(organization_id=organization.id, counted=True, actor=OPERATOR, at=now())
    claim_end_user_seat(organization_id=organization.id, end_user="x-1", actor=OPERATOR, at=now())
    record_notice(received_at=now(), release=release(), note="a test", actor=OPERATOR, at=now())
    return owner_of(organization), {"slug": organization.slug, "guest": str(guest.id)}


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_every_page_of_the_licence_is_accessible(
    scheme: str,
    width: int,
    as_person: Callable[..., Page],  # noqa: F811 (the fixture)
) -> None:
    owner, names = lived_in()
    inside = as_person(owner, scheme=scheme, width=width)
    outside = as_person(staff(), scheme=scheme, width=width)
    places = [(inside, f"/o/{names['slug']}/{path}") for path in TENANT]
    places += [(inside, f"/accounts/{path}") for path in ACCOUNT]
    places += [(outside, path) for path in STAFF]
    found = []

    for page, path in places:
        page.goto(path.format(**names))
        found += violations(page)
        assert not is_wider_than_the_screen(page), page.url

    assert found == []


def test_a_passkey_is_made_in_the_portal_and_signs_its_owner_in(
    as_person: Callable[..., Page],  # noqa: F811 (the fixture)
) -> None:
    owner, _names = lived_in()
    page = as_person(owner)
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
                "hasUserVerification": True, "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip

    page.goto("/accounts/2fa/webauthn/add/")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    # The form's own address would match at once, before the key is kept.
    page.wait_for_url(lambda url: "/accounts/2fa/" in url and not url.endswith("/add/"))
    page.context.clear_cookies()
    page.goto("/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    page.wait_for_url("**/o/**")
    assert page.locator(".rail").is_visible()
