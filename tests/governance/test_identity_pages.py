"""The identity page and the entrance: features, sign-on, directory tokens, ways in."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.models import (
    DirectoryToken,
    IdentityProvider,
    Organization,
    OutgoingMail,
    Role,
    User,
)
from governance.operations.contracts import ContractTerms, record_contract
from tests.governance.pages import owner_of, signed_in
from tests.governance.tenants import OPERATOR, licensed, member

pytestmark = pytest.mark.django_db
OIDC = {
    "oidc-server_url": "http://localhost:1/.well-known/openid-configuration",
    "oidc-client_id": "licet",
    "oidc-secret": "secret",
    "oidc-domains": "aurora.example, aurora.test",
}


def unlock(organization: Organization, *features: str) -> None:
    record_contract(
        organization_id=organization.id,
        agreed=ContractTerms(
            reference="E-7",
            starts_at=now() - timedelta(days=1),
            ends_at=now() + timedelta(days=300),
            seats=200,
            features=frozenset(features),
            document_sha256="d" * 64,
        ),
        actor=OPERATOR,
        at=now(),
    )


class TestFeatures:
    def test_each_is_locked_until_a_contract_names_it(self) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))
        page = f"/o/{organization.slug}/identity/"
        before = client.get(page).content.decode()

        unlock(organization, "sla", "dpa")
        after = client.get(page).content.decode()

        assert (before.count("Unlocked"), after.count("Unlocked")) == (0, 2)
        assert "not a clause of the licence" in before
        assert "E-7" in after

    def test_an_owner_asks_for_them_and_the_standing_says_so(self) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))

        client.post(f"/o/{organization.slug}/identity/needs/", {"needs": ["sso", "sla"]})

        organization.refresh_from_db()
        assert organization.needs == ["sla", "sso"]
        licence = client.get(f"/o/{organization.slug}/licence/").content.decode()
        assert "Sla, sso asked for, and no enterprise contract covers it" in licence

    def test_a_member_finds_no_such_page(self) -> None:
        organization = licensed(at=now())
        guest = signed_in(member(organization))

        assert guest.get(f"/o/{organization.slug}/identity/").status_code == 404
        assert guest.post(f"/o/{organization.slug}/identity/tokens/").status_code == 404


class TestSignOn:
    def test_without_a_contract_nothing_is_connected(self) -> None:
        organization = licensed(at=now())

        answer = signed_in(owner_of(organization)).post(
            f"/o/{organization.slug}/identity/oidc/", OIDC, follow=True
        )

        assert "SSO needs an enterprise contract" in answer.content.decode()
        assert not IdentityProvider.objects.exists()

    def test_with_one_a_provider_is_connected_and_disconnected(self) -> None:
        organization = licensed(at=now())
        unlock(organization, "sso")
        client = signed_in(owner_of(organization))
        page = f"/o/{organization.slug}/identity/"

        client.post(f"{page}oidc/", OIDC)
        shown = client.get(page).content.decode()
        provider = IdentityProvider.objects.get()
        client.post(f"{page}disconnect/")

        assert provider.domains == ["aurora.example", "aurora.test"]
        assert f"/accounts/oidc/{organization.slug}/login/" in shown
        assert not IdentityProvider.objects.exists()

    def test_saml_needs_its_metadata_or_address_and_certificate(self) -> None:
        organization = licensed(at=now())
        unlock(organization, "sso")
        client = signed_in(owner_of(organization))
        given = {"saml-entity_id": "https://idp.example", "saml-domains": "aurora.example"}

        bad = client.post(f"/o/{organization.slug}/identity/saml/", given)
        client.post(
            f"/o/{organization.slug}/identity/saml/",
            {
                **given,
                "saml-sso_url": "https://idp.example/sso",
                "saml-certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            },
        )

        assert bad.status_code == 400
        assert "the sign-on address and the certificate" in bad.content.decode()
        app = IdentityProvider.objects.get().app
        assert app.settings["idp"]["x509cert"] == "AAAA"
        assert app.settings["advanced"]["want_assertion_signed"]

    def test_in_production_our_server_calls_no_address_of_its_own(self, settings: object) -> None:
        settings.PUBLIC_URL = "https://licet.example"  # type: ignore[attr-defined]
        organization = licensed(at=now())
        unlock(organization, "sso")

        answer = signed_in(owner_of(organization)).post(
            f"/o/{organization.slug}/identity/oidc/", OIDC
        )

        assert answer.status_code == 400
        assert "Use the provider&#x27;s https address." in answer.content.decode()


def test_a_directorys_token_is_shown_once_works_and_is_revoked() -> None:
    organization = licensed(at=now())
    client = signed_in(member(organization, role=Role.ADMIN))
    page = f"/o/{organization.slug}/identity/"

    made = client.post(f"{page}tokens/", {"label": "Okta"}).content.decode()
    secret = re.search(r"lct_scim_[\w-]+", made)
    assert secret is not None
    directory = Client(headers={"Authorization": f"Bearer {secret[0]}"})
    works = directory.get("/scim/v2/Users").status_code
    client.post(f"{page}tokens/{DirectoryToken.objects.get().id}/revoke/")

    assert works == 200
    assert directory.get("/scim/v2/Users").status_code == 401
    assert "lct_scim_" not in client.get(page).content.decode()


class TestTheEntrance:
    def test_an_address_of_a_connected_domain_goes_to_its_provider(self) -> None:
        organization = licensed(at=now())
        unlock(organization, "sso")
        signed_in(owner_of(organization)).post(f"/o/{organization.slug}/identity/oidc/", OIDC)

        onward = Client().post("/login/continue/", {"email": "Mei@Aurora.example", "next": "/x/"})

        assert onward["Location"] == f"/accounts/oidc/{organization.slug}/login/?next=%2Fx%2F"

    def test_everybody_else_gets_a_code_by_mail_that_lets_them_in_once(self) -> None:
        user = member(licensed(at=now()))
        client = Client()

        asked = client.post("/login/continue/", {"email": user.email})
        letter = OutgoingMail.objects.get(to_address=user.email)
        code = re.search(r"\b[A-Z0-9]{3,}-[A-Z0-9]{3,}\b", letter.text)
        assert code is not None, letter.text
        entered = client.post(asked["Location"], {"code": code[0]})

        assert entered.status_code == 302
        assert client.session["_auth_user_id"] == str(user.id)

    def test_an_unknown_address_gets_the_same_answer_and_no_account(self) -> None:
        known = Client().post("/login/continue/", {"email": member(licensed(at=now())).email})
        count = User.objects.count()

        unknown = Client().post("/login/continue/", {"email": "nobody@example.com"})

        assert (unknown.status_code, unknown["Location"]) == (known.status_code, known["Location"])
        assert User.objects.count() == count

    @pytest.mark.parametrize("page", ["signup/", "email/", "3rdparty/", "2fa/webauthn/signup/"])
    def test_nobody_takes_an_address_that_is_not_proven(self, page: str) -> None:
        client = signed_in(member(licensed(at=now())))

        assert client.get(f"/accounts/{page}").status_code == 404
        assert client.post(f"/accounts/{page}", {"email": "ceo@b.example"}).status_code == 404

    def test_the_pages_of_the_second_factor_wear_the_house_style(self) -> None:
        client = signed_in(member(licensed(at=now())))

        text = client.get("/accounts/2fa/").content.decode()

        assert 'class="rail"' in text
        assert 'href="/accounts/2fa/totp/activate/"' in text


def test_a_new_secret_asks_who_has_been_here_long_to_prove_themselves_again() -> None:
    organization = licensed(at=now())
    owner = owner_of(organization)
    client = signed_in(owner)
    User.objects.filter(id=owner.id).update(last_login=now() - timedelta(hours=1))
    page = f"/o/{organization.slug}/identity/"

    answer = client.post(
        f"{page}tokens/", {"label": "Okta"}, headers={"Referer": f"http://testserver{page}"}
    )

    assert answer.status_code == 403
    assert f'value="{page}"' in answer.content.decode()
    assert not DirectoryToken.objects.exists()
