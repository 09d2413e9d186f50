"""Webhooks reach public addresses and nothing inside our network, whatever the name says."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from governance.gateways import webhook_transport
from governance.gateways.webhook_addresses import (
    WebhookAddressRefused,
    address_to_call,
    is_public,
    parsed_target,
)
from governance.gateways.webhook_transport import Reply, post
from tests.governance.receivers import Receiver, listening

LOOPBACK = [ip_network("127.0.0.0/8")]


def resolving(*addresses: str) -> Any:
    """A resolver that gives these addresses."""

    def lookup(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    return lookup


class TestAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
            "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
            "::1", "::", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
            "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::1",
            "2001:0:5ef5:79fd:0:59d:f5ff:fffe", "2001:db8::1",
        ],
    )  # fmt: skip
    def test_of_a_private_place_is_not_public(self, address: str) -> None:
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize(
        "address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"]
    )
    def test_of_the_internet_is_public(self, address: str) -> None:
        assert is_public(ip_address(address))

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://example.com/", "file:///etc/passwd", "gopher://example.com", "https://", "", "x",
            "https://user:word@example.com/", "https://example.com:22/", "https://example.com:0/",
            "https://example.com:99999/", "https://exa mple.com/", "https://example.com/\r\nX: y",
            "https://[::1", "https://example.com/" + "a" * 2000, "https://bücher.example/ü",
        ],
    )  # fmt: skip
    def test_of_a_strange_form_is_refused(self, url: str) -> None:
        with pytest.raises(WebhookAddressRefused):
            parsed_target(url)

    @pytest.mark.parametrize(
        "url",
        ["https://localhost/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
         "https://[::ffff:7f00:1]/", "https://0177.0.0.1/"],
    )  # fmt: skip
    def test_in_any_spelling_of_loopback_is_refused(self, url: str) -> None:
        with pytest.raises(WebhookAddressRefused):
            address_to_call(parsed_target(url), opened=())

    def test_is_refused_when_any_of_the_names_addresses_is_private(self) -> None:
        target = parsed_target("https://hooks.example/")

        with pytest.raises(WebhookAddressRefused):
            address_to_call(target, opened=(), lookup=resolving("1.1.1.1", "10.0.0.1"))

    def test_must_be_https_on_the_internet(self) -> None:
        with pytest.raises(WebhookAddressRefused, match="https"):
            address_to_call(
                parsed_target("http://hooks.example/"), opened=(), lookup=resolving("1.1.1.1")
            )

    def test_inside_a_network_that_the_operator_opened_is_allowed(self) -> None:
        found = address_to_call(
            parsed_target("http://hooks.internal/"),
            opened=[ip_network("10.0.0.0/8")],
            lookup=resolving("::ffff:10.1.1.1"),
        )

        assert str(found) == "10.1.1.1"


def posted(url: str, opened: Any = LOOPBACK) -> Reply:
    return post(url, b"{}", {"webhook-id": "msg_1"}, opened=opened)


class TestConnection:
    def test_goes_to_the_address_that_was_checked_even_when_the_name_changes(
        self,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked: list[str] = []

        def rebinding(host: str, port: int, *args: Any, **_: Any) -> list[tuple[Any, ...]]:
            asked.append(host)
            address = "127.0.0.1" if len(asked) == 1 else "127.0.0.99"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        real = socket.getaddrinfo
        monkeypatch.setattr(
            "governance.gateways.webhook_transport.address_to_call",
            lambda target, *, opened: address_to_call(target, opened=opened, lookup=rebinding),
        )
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **k: (
                real(host, *a, **k)
                if host == "127.0.0.1"
                else pytest.fail(f"looked up {host} again")
            ),
        )

        reply = posted(f"http://hooks.example:{receiver.port}/x?y=1")

        assert reply.status == 204
        assert asked == ["hooks.example"]
        assert receiver.got[0][0]["host"] == f"hooks.example:{receiver.port}"

    def test_to_a_private_address_is_not_made(self, receiver: Receiver) -> None:
        reply = posted(receiver.url, opened=())

        assert (reply.status, receiver.got) == (None, [])
        assert "not a public address" in reply.error

    def test_does_not_follow_a_redirect(self, receiver: Receiver) -> None:
        receiver.statuses = [307]
        receiver.headers = {"Location": receiver.url + "&again=1"}

        reply = posted(receiver.url)

        assert (reply.status, len(receiver.got), reply.is_success) == (307, 1, False)
        assert "Redirects are not followed" in reply.error

    def test_that_nobody_takes_is_an_error_and_no_exception(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]

        reply = posted(f"http://127.0.0.1:{port}/")

        assert reply.status is None
        assert reply.error

    def test_keeps_only_the_beginning_of_the_answer_and_the_wish_to_wait(
        self, receiver: Receiver
    ) -> None:
        receiver.statuses, receiver.headers = [503], {"Retry-After": "120"}

        reply = posted(receiver.url)

        assert (reply.status, reply.body) == (503, "said the receiver")
        assert reply.retry_after == timedelta(seconds=120)


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for a name, and the file that makes it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(pem))
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, certificate


class TestTls:
    @pytest.mark.parametrize(
        ("called", "works"), [("hooks.example", True), ("evil.example", False)]
    )
    def test_the_certificate_must_be_the_names_although_we_connect_to_an_address(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, *, works: bool
    ) -> None:
        server, trusted = certificate_for("hooks.example", tmp_path)
        monkeypatch.setattr(
            webhook_transport, "trusted", lambda: ssl.create_default_context(cafile=str(trusted))
        )
        monkeypatch.setattr(
            "governance.gateways.webhook_transport.address_to_call",
            lambda *_, **__: ip_address("127.0.0.1"),
        )

        with listening(Receiver(), server) as receiver:
            reply = posted(f"https://{called}:{receiver.port}/")

        assert (reply.status == 204) is works
        assert bool(receiver.got) is works
