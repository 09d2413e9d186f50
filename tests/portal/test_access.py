"""Who may open what."""

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.timezone import now

from governance.models import AuditEntry, Organization, User
from governance.operations.login_links import create_login_link
from inference.models import Generation

pytestmark = pytest.mark.django_db


TENANTS = ("o/<slug:slug>", "moderation/decisions/")
OPERATORS = ("operator/", "moderation/")


def patterns_of(*beginnings: str) -> list[str]:
    """Every address that begins so, from the resolver itself, so that a new page is covered."""
    found: list[str] = []

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, route)
            elif route.startswith(beginnings):
                found.append("/" + route)

    walk(get_resolver().url_patterns, "")
    return sorted(set(found))


def filled(route: str, slug: str, generation_id: object) -> str:
    """The address with its blanks filled: any id is the generation's, any number 0."""
    route = re.sub(r"<int:[a-z_]+>", "0", route.replace("<slug:slug>", slug))
    route = route.replace("<str:form>", "json")
    return re.sub(r"<(uuid|str|slug):[a-z_]+>", str(generation_id), route)


def answers(
    browser: Client, slug: str, generation_id: object, routes: list[str]
) -> dict[str, int | str]:
    """What each address answers: the place that it sends to, or its status.

    What can only be posted to is posted to.
    """
    found: dict[str, int | str] = {}
    for route in routes:
        address = filled(route, slug, generation_id)
        answer = browser.get(address)
        if answer.status_code == 405:
            answer = browser.post(address)
        found[route] = answer.headers.get("Location") or answer.status_code
    return found


class TestTenantPages:
    def test_do_not_exist_for_a_stranger(
        self, organization: Organization, stranger: User, delivered: Generation
    ) -> None:
        browser = Client()
        browser.force_login(stranger)

        found = answers(browser, organization.slug, delivered.id, patterns_of(*TENANTS))

        assert {route: said for route, said in found.items() if said != 404} == {}

    def test_send_an_anonymous_reader_to_sign_in(
        self, organization: Organization, delivered: Generation
    ) -> None:
        routes = patterns_of(*TENANTS, *OPERATORS)

        found = answers(Client(), organization.slug, delivered.id, routes)

        elsewhere = {
            route: said for route, said in found.items() if not str(said).startswith("/login/")
        }
        assert elsewhere == {}

    def test_another_tenants_generation_is_not_found_under_ones_own_address(
        self, stranger: User, delivered: Generation
    ) -> None:
        browser = Client()
        browser.force_login(stranger)
        own = stranger.memberships.get().organization

        assert browser.get(f"/o/{own.slug}/generations/{delivered.id}/").status_code == 404

    def test_the_operators_pages_do_not_exist_for_tenants(
        self, reader: Client, organization: Organization, delivered: Generation
    ) -> None:
        routes = [
            route for route in patterns_of(*OPERATORS) if "moderation/decisions/" not in route
        ]

        found = answers(reader, organization.slug, delivered.id, routes)

        assert len(found) > 20
        assert {route: said for route, said in found.items() if said != 404} == {}


class TestLoginLink:
    def test_looking_at_it_spends_nothing(self, owner: User) -> None:
        token = create_login_link(user=owner, at=now())
        browser = Client()
        browser.get(f"/login/{token}/")

        answer = browser.post(f"/login/{token}/")

        assert answer.status_code == 302
        assert browser.session["_auth_user_id"] == str(owner.id)

    def test_signs_in_once(self, owner: User) -> None:
        token = create_login_link(user=owner, at=now())
        Client().post(f"/login/{token}/")

        answer = Client().post(f"/login/{token}/")

        assert answer.status_code == 410
        assert b"cannot be used any more" in answer.content

    def test_leaves_an_audit_entry(self, owner: User) -> None:
        Client().post(f"/login/{create_login_link(user=owner, at=now())}/")

        assert AuditEntry.objects.filter(act="person.signed_in", actor_id=str(owner.id)).exists()

    def test_goes_nowhere_outside(self, owner: User) -> None:
        token = create_login_link(user=owner, at=now())

        answer = Client().post(f"/login/{token}/?next=https://evil.example/")

        assert answer.headers["Location"] == "/"


class TestLoginLinkOfAPersonWithASecondFactor:
    def test_is_not_enough_to_sign_in(self, owner: User) -> None:
        TOTP.activate(owner, generate_totp_secret())
        token = create_login_link(user=owner, at=now())
        browser = Client()

        answer = browser.post(f"/login/{token}/")

        assert answer.status_code == 302
        assert "2fa" in answer.headers["Location"]
        assert "_auth_user_id" not in browser.session
