"""Single sign-on against real provider implementations that run here: OIDC and SAML."""

import base64
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.test import Client
from django.utils.timezone import now
from lxml import etree
from signxml import SignatureConstructionMethod, SignatureMethod, XMLSigner

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest
from governance.models import AuditEntry, Membership, Organization
from governance.operations.contracts import ContractTerms, FeatureLocked, record_contract
from governance.operations.sign_on import connect_provider
from governance.queries.standing import standing_of
from tests.governance.tenants import OPERATOR, licensed, person

with warnings.catch_warnings():
    # Both providers import names that their own dependencies will drop one day.
    warnings.simplefilter("ignore")
    import oidc_provider_mock
    from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
    from saml2.config import IdPConfig
    from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
    from saml2.server import Server

pytestmark = pytest.mark.django_db
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
EMAIL = "urn:oid:0.9.2342.19200300.100.1.3"


def enterprise(*, until: timedelta = timedelta(days=300)) -> Organization:
    """An organization whose contract unlocks single sign-on."""
    organization = licensed(at=now())
    record_contract(
        organization_id=organization.id,
        agreed=ContractTerms(
            reference="E-1",
            starts_at=now() - timedelta(days=10),
            ends_at=now() + until,
            seats=200,
            features=frozenset({"sso"}),
            document_sha256="d" * 64,
        ),
        actor=OPERATOR,
        at=now(),
    )
    return organization


@pytest.fixture
def oidc() -> Iterator[str]:
    """A real OIDC provider on a port of its own; its address."""
    users = [
        oidc_provider_mock.User(
            sub=address,
            claims={"email": address, "email_verified": True, "name": "Mei Tanaka"},
        )
        for address in ("mei@aurora.example", "someone@elsewhere.example")
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


def connect_oidc(organization: Organization, address: str) -> None:
    connect_provider(
        organization_id=organization.id,
        protocol="oidc",
        client_id="licet",
        secret="secret",
        configuration={"server_url": f"{address}/.well-known/openid-configuration"},
        domains=["aurora.example"],
        actor=SYSTEM,
        at=now(),
    )


def sign_in_by_oidc(organization: Organization, who: str) -> tuple[Client, Any]:
    client = Client()
    away = client.get(f"/accounts/oidc/{organization.slug}/login/")
    assert away.status_code == 302, away.content
    back = httpx.post(away["Location"], data={"sub": who})
    target = urlsplit(back.headers["Location"])
    return client, client.get(f"{target.path}?{target.query}")


@pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")  # the provider's own
class TestOidc:
    def test_a_vouched_for_person_is_signed_in_and_holds_a_seat(self, oidc: str) -> None:
        organization = enterprise()
        connect_oidc(organization, oidc)

        client, answer = sign_in_by_oidc(organization, "mei@aurora.example")

        assert answer.status_code == 302, answer.content
        membership = Membership.objects.get(user__email="mei@aurora.example")
        assert (membership.organization_id, membership.source) == (organization.id, "sso")
        assert str(membership.user.id) == client.session["_auth_user_id"]
        assert standing_of(organization.id, at=now()).seats.used == 2
        assert AuditEntry.objects.filter(act="member.added", facts__source="sso").exists()

    def test_the_second_sign_in_takes_no_second_seat(self, oidc: str) -> None:
        organization = enterprise()
        connect_oidc(organization, oidc)

        sign_in_by_oidc(organization, "mei@aurora.example")
        client, _ = sign_in_by_oidc(organization, "mei@aurora.example")

        assert "_auth_user_id" in client.session
        assert standing_of(organization.id, at=now()).seats.used == 2

    def test_a_provider_cannot_speak_for_another_domain(self, oidc: str) -> None:
        organization = enterprise()
        connect_oidc(organization, oidc)
        victim = person()
        victim.email = "someone@elsewhere.example"
        victim.save()

        client, answer = sign_in_by_oidc(organization, victim.email)

        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "sign_on_refused"
        assert "_auth_user_id" not in client.session

    def test_is_locked_again_when_the_contract_has_ended(self, oidc: str) -> None:
        organization = enterprise()
        connect_oidc(organization, oidc)
        organization.contracts.update(ends_at=now())

        client, answer = sign_in_by_oidc(organization, "mei@aurora.example")

        assert answer.json()["error"]["code"] == "feature_locked"
        assert "_auth_user_id" not in client.session


class TestConnecting:
    def test_needs_an_enterprise_contract(self) -> None:
        with pytest.raises(FeatureLocked):
            connect_oidc(licensed(), "http://localhost:1")

    def test_a_domain_belongs_to_one_organization(self) -> None:
        connect_oidc(enterprise(), "http://localhost:1")

        with pytest.raises(InvalidRequest):
            connect_oidc(enterprise(), "http://localhost:1")


class SamlProvider:
    """pysaml2 as the identity provider; signxml signs, so signer and verifier are not the same."""

    entity_id = "https://idp.aurora.example/metadata"

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.aurora.example")])
        moment = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(moment - timedelta(days=1))
            .not_valid_after(moment + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, metadata: str) -> Server:
        config = IdPConfig().load(
            {
                "entityid": self.entity_id,
                # pysaml2 asks for the program even where it signs nothing.
                "xmlsec_binary": "/bin/true",
                "service": {
                    "idp": {
                        "endpoints": {
                            "single_sign_on_service": [
                                ("https://idp.aurora.example/sso", BINDING_HTTP_REDIRECT)
                            ]
                        }
                    }
                },
                "metadata": {"inline": [metadata]},
            }
        )
        return Server(config=config)

    def answer(self, metadata: str, location: str, address: str) -> str:
        """The response to the request in ``location``, its assertion signed, in base64."""
        server = self.server(metadata)
        asked = parse_qs(urlsplit(location).query)["SAMLRequest"][0]
        request = server.parse_authn_request(asked, BINDING_HTTP_REDIRECT).message
        where = server.response_args(request, [BINDING_HTTP_POST])
        made = server.create_authn_response(
            identity={},
            userid=address,
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=address),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
            sign_response=False,
            sign_assertion=False,
            **{k: where[k] for k in ("in_response_to", "destination", "sp_entity_id")},
        )
        return self.signed(with_address(str(made), address))

    def signed(self, xml: str) -> str:
        tree = etree.fromstring(xml.encode())
        assertion = tree.find(f"{{{SAML}}}Assertion")
        issuer = assertion.find(f"{{{SAML}}}Issuer")
        place = etree.Element("{http://www.w3.org/2000/09/xmldsig#}Signature", Id="placeholder")
        issuer.addnext(place)
        signer = XMLSigner(
            method=SignatureConstructionMethod.enveloped,
            signature_algorithm=SignatureMethod.RSA_SHA256,
            c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#",
        )
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        done = signer.sign(
            assertion, key=key, cert=self.pem, reference_uri=f"#{assertion.get('ID')}",
            id_attribute="ID",
        )  # fmt: skip
        tree.replace(assertion, done)
        return base64.b64encode(etree.tostring(tree)).decode()


def with_address(xml: str, address: str) -> str:
    """The response with the person's address as the attribute that directories send."""
    tree = etree.fromstring(xml.encode())
    assertion = tree.find(f"{{{SAML}}}Assertion")
    for old in assertion.findall(f"{{{SAML}}}AttributeStatement"):
        assertion.remove(old)
    statement = etree.SubElement(assertion, f"{{{SAML}}}AttributeStatement")
    attribute = etree.SubElement(statement, f"{{{SAML}}}Attribute", Name=EMAIL)
    etree.SubElement(attribute, f"{{{SAML}}}AttributeValue").text = address
    return etree.tostring(tree).decode()


def connect_saml(organization: Organization, provider: SamlProvider) -> None:
    connect_provider(
        organization_id=organization.id,
        protocol="saml",
        client_id="",
        secret="",
        configuration={
            "idp": {
                "entity_id": provider.entity_id,
                "sso_url": "https://idp.aurora.example/sso",
                "x509cert": re.sub(r"-----.*?-----|\s", "", provider.pem),
            },
            "attribute_mapping": {"uid": EMAIL, "email": EMAIL},
        },
        domains=["aurora.example"],
        actor=SYSTEM,
        at=now(),
    )


class TestSaml:
    def sign_in(
        self,
        organization: Organization,
        provider: SamlProvider,
        address: str,
        *,
        forge: bool = False,
    ) -> tuple[Client, Any]:
        client = Client(headers={"Host": "localhost"})
        base = f"/accounts/saml/{organization.slug}"
        metadata = client.get(f"{base}/metadata/").content.decode()
        away = client.get(f"{base}/login/")
        assert away.status_code == 302, away.content
        answer = provider.answer(metadata, away["Location"], address)
        if forge:
            xml = base64.b64decode(answer).decode().replace("mei@", "ceo@")
            answer = base64.b64encode(xml.encode()).decode()
        relay = parse_qs(urlsplit(away["Location"]).query).get("RelayState", [""])[0]
        first = client.post(f"{base}/acs/", {"SAMLResponse": answer, "RelayState": relay})
        return client, client.get(first["Location"])

    def test_a_signed_assertion_brings_the_person_in(self) -> None:
        organization, provider = enterprise(), SamlProvider()
        connect_saml(organization, provider)

        client, answer = self.sign_in(organization, provider, "mei@aurora.example")

        assert answer.status_code == 302, answer.content
        membership = Membership.objects.get(user__email="mei@aurora.example")
        assert membership.source == "sso"
        assert str(membership.user.id) == client.session["_auth_user_id"]

    def test_a_changed_assertion_is_refused(self) -> None:
        organization, provider = enterprise(), SamlProvider()
        connect_saml(organization, provider)

        client, _ = self.sign_in(organization, provider, "mei@aurora.example", forge=True)

        assert "_auth_user_id" not in client.session
        assert not Membership.objects.filter(user__email__endswith="@aurora.example").exists()

    def test_another_providers_signature_is_refused(self) -> None:
        organization, provider = enterprise(), SamlProvider()
        connect_saml(organization, SamlProvider())

        client, _ = self.sign_in(organization, provider, "mei@aurora.example")

        assert "_auth_user_id" not in client.session

    def test_another_domain_is_refused(self) -> None:
        organization, provider = enterprise(), SamlProvider()
        connect_saml(organization, provider)

        client, answer = self.sign_in(organization, provider, "mei@elsewhere.example")

        assert answer.status_code == 403
        assert "_auth_user_id" not in client.session
