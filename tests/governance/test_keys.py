"""Keys: peppers, networks, rotation, leaks, and who used them."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest
from governance.kernel.secrets import Peppers, is_well_formed
from governance.models import ApiKey, AuditEntry, Organization, OutgoingMail, Project, User
from governance.operations.api_keys import (
    AddressNotAllowed,
    CreatedKey,
    InvalidApiKey,
    authenticate,
    create_api_key,
    restrict_api_key,
    revoke_api_key,
)
from governance.operations.key_rotation import KeyNotRotatable, end_grace, rotate_api_key
from governance.operations.key_uses import collect_key_uses
from governance.operations.mail import deliver_due_mail
from governance.queries.api_keys import secrets_in_grace, users_of_key
from tests.factories import NOON

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def called_with(secret: str, *, ip: str | None = "192.0.2.7", at: Any = NOON) -> object:
    """The id of the key that answers for the secret."""
    return authenticate(secret=secret, at=at, ip=ip).key_id


class TestPeppers:
    def test_a_key_of_an_older_pepper_works_and_moves_to_the_present_one(
        self, api_key: CreatedKey, settings: Any
    ) -> None:
        before = api_key.key.digest
        settings.API_KEY_PEPPERS = Peppers("new", (settings.API_KEY_PEPPERS.current,))
        called_with(api_key.secret)
        settings.API_KEY_PEPPERS = Peppers("new")

        assert called_with(api_key.secret) == api_key.key.id
        moved = ApiKey.objects.get(id=api_key.key.id)
        assert (moved.digest != before, moved.pepper_mark) == (True, Peppers("new").mark)

    def test_a_key_whose_pepper_is_gone_is_not_known(
        self, api_key: CreatedKey, settings: Any
    ) -> None:
        settings.API_KEY_PEPPERS = Peppers("new", ("another",))

        with pytest.raises(InvalidApiKey):
            called_with(api_key.secret)

    def test_the_command_says_which_pepper_is_still_needed(
        self, api_key: CreatedKey, settings: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.API_KEY_PEPPERS = Peppers("new", (settings.API_KEY_PEPPERS.current,))

        call_command("peppers")

        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[1:3] for line in lines if "older" in line] == [["1", "keys"]]


class TestNetworks:
    @pytest.mark.parametrize(
        ("ip", "allowed"),
        [
            ("203.0.113.9", True),
            ("::ffff:203.0.113.9", True),
            ("2001:db8::5", True),
            ("203.0.114.9", False),
            ("2001:db9::5", False),
            (None, False),
        ],
    )
    def test_decide_who_may_use_the_key(
        self, api_key: CreatedKey, ip: str | None, *, allowed: bool
    ) -> None:
        restrict_api_key(
            key_id=api_key.key.id,
            organization_id=api_key.key.organization_id,
            allowed_networks=["203.0.113.0/24", "2001:db8::/32"],
            actor=SYSTEM,
        )

        if allowed:
            assert called_with(api_key.secret, ip=ip) == api_key.key.id
        else:
            with pytest.raises(AddressNotAllowed):
                called_with(api_key.secret, ip=ip)

    @pytest.mark.parametrize("network", ["203.0.113.1/24", "example.com", "", "10.0.0.0/33"])
    def test_that_are_none_are_refused(self, project: Project, network: str) -> None:
        with pytest.raises(InvalidRequest):
            create_api_key(
                project=project, name="x", actor=SYSTEM, at=NOON, allowed_networks=[network]
            )


class TestRotation:
    def rotated(self, key: CreatedKey, grace: timedelta = HOUR) -> CreatedKey:
        return rotate_api_key(
            key_id=key.key.id,
            organization_id=key.key.organization_id,
            grace=grace,
            actor=SYSTEM,
            at=NOON,
        )

    def test_keeps_the_id_and_both_secrets_work_during_the_grace(self, api_key: CreatedKey) -> None:
        new = self.rotated(api_key)

        assert is_well_formed(new.secret)
        assert new.secret != api_key.secret
        assert {called_with(new.secret), called_with(api_key.secret)} == {api_key.key.id}

    def test_ends_the_old_secret_with_the_grace(self, api_key: CreatedKey) -> None:
        new = self.rotated(api_key)

        with pytest.raises(InvalidApiKey):
            called_with(api_key.secret, at=NOON + HOUR)
        assert called_with(new.secret, at=NOON + HOUR) == api_key.key.id

    def test_without_grace_ends_the_old_secret_at_once(self, api_key: CreatedKey) -> None:
        self.rotated(api_key, timedelta(0))

        with pytest.raises(InvalidApiKey):
            called_with(api_key.secret)

    def test_twice_leaves_each_old_secret_its_own_end(self, api_key: CreatedKey) -> None:
        second = self.rotated(api_key, 2 * HOUR)
        third = self.rotated(second, HOUR)

        known = {called_with(key.secret) for key in (api_key, second, third)}
        assert known == {api_key.key.id}
        with pytest.raises(InvalidApiKey):
            called_with(second.secret, at=NOON + HOUR)
        assert called_with(api_key.secret, at=NOON + HOUR) == api_key.key.id

    def test_of_a_revoked_key_is_refused(self, api_key: CreatedKey) -> None:
        revoke_api_key(
            key_id=api_key.key.id,
            organization_id=api_key.key.organization_id,
            actor=SYSTEM,
            at=NOON,
        )

        with pytest.raises(KeyNotRotatable):
            self.rotated(api_key)

    def test_revoking_ends_the_secrets_in_grace_too(self, api_key: CreatedKey) -> None:
        self.rotated(api_key)

        revoke_api_key(
            key_id=api_key.key.id,
            organization_id=api_key.key.organization_id,
            actor=SYSTEM,
            at=NOON,
        )

        with pytest.raises(InvalidApiKey):
            called_with(api_key.secret)

    def test_the_grace_can_be_cut_short(self, api_key: CreatedKey) -> None:
        self.rotated(api_key)

        end_grace(
            key_id=api_key.key.id,
            organization_id=api_key.key.organization_id,
            actor=SYSTEM,
            at=NOON,
        )

        assert secrets_in_grace(api_key.key.id, at=NOON) == []
        with pytest.raises(InvalidApiKey):
            called_with(api_key.secret)

    def test_a_secret_in_grace_survives_a_new_pepper(
        self, api_key: CreatedKey, settings: Any
    ) -> None:
        self.rotated(api_key)
        settings.API_KEY_PEPPERS = Peppers("new", (settings.API_KEY_PEPPERS.current,))

        assert called_with(api_key.secret) == api_key.key.id

    @pytest.mark.parametrize("days", [-1, 31])
    def test_grace_has_bounds(self, api_key: CreatedKey, days: int) -> None:
        with pytest.raises(InvalidRequest):
            self.rotated(api_key, timedelta(days=days))


class TestUses:
    def call(self, key: CreatedKey, *, ip: str = "198.51.100.4", client: str = "curl/8") -> None:
        answer = Client(REMOTE_ADDR=ip).get(
            "/v1/models", headers={"Authorization": f"Bearer {key.secret}", "User-Agent": client}
        )
        assert answer.status_code == 200

    def test_are_counted_by_address_and_client(self, api_key: CreatedKey) -> None:
        for _ in range(3):
            self.call(api_key)
        self.call(api_key, ip="2001:db8::1", client="OpenAI/Python 3")

        collect_key_uses(at=now())

        users = users_of_key(api_key.key.id, at=now())
        assert [(user.ip, user.client, user.calls) for user in users.users] == [
            ("198.51.100.4", "curl/8", 3),
            ("2001:db8::1", "OpenAI/Python 3", 1),
        ]
        assert (users.calls, users.addresses, users.clients) == (4, 2, 2)

    def test_of_several_collections_add_up(self, api_key: CreatedKey) -> None:
        for _ in range(2):
            self.call(api_key)
            collect_key_uses(at=now())

        assert users_of_key(api_key.key.id, at=now()).calls == 2

    def test_tell_the_last_one_on_the_key(self, api_key: CreatedKey) -> None:
        self.call(api_key, ip="198.51.100.9", client="n8n")
        collect_key_uses(at=now())

        key = ApiKey.objects.get(id=api_key.key.id)
        assert (key.last_used_ip, key.last_used_client) == ("198.51.100.9", "n8n")
        assert key.last_used_at is not None

    def test_write_nothing_while_the_request_runs(
        self, api_key: CreatedKey, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        with django_assert_num_queries(2) as queries:
            self.call(api_key)

        assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)

    def test_older_than_a_week_do_not_count_as_what_would_break(self, api_key: CreatedKey) -> None:
        self.call(api_key)
        collect_key_uses(at=now())

        assert users_of_key(api_key.key.id, at=now() + timedelta(days=8)).calls == 0


@pytest.fixture
def scanner(tmp_path: Path, settings: Any) -> Callable[..., Any]:
    """A scanner whose public key the deployment knows; posts signed reports."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    known = {"public_keys": [{"key_identifier": "k1", "key": pem.decode(), "is_current": True}]}
    settings.LEAK_SCANNER_KEYS = tmp_path / "scanners.json"
    settings.LEAK_SCANNER_KEYS.write_text(json.dumps(known))

    def report(
        body: object, *, signed: bytes | None = None, identifier: str = "k1", raw: str | None = None
    ) -> Any:
        text = json.dumps(body)
        made = base64.b64encode(private.sign(signed or text.encode(), ec.ECDSA(SHA256()))).decode()
        return Client().post(
            "/v1/leaks",
            text,
            content_type="application/json",
            headers={
                "Github-Public-Key-Identifier": identifier,
                "Github-Public-Key-Signature": made if raw is None else raw,
            },
        )

    return report


class TestLeaks:
    def found(self, secret: str) -> list[dict[str, str]]:
        return [
            {
                "token": secret,
                "type": "licet_api_key",
                "url": "https://code.example/x.py",
                "source": "commit",
            }
        ]

    def test_revoke_tell_and_audit(
        self,
        scanner: Callable[..., Any],
        api_key: CreatedKey,
        owner: User,
        organization: Organization,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answer = scanner(self.found(api_key.secret))

        key = ApiKey.objects.get(id=api_key.key.id)
        assert answer.json()[0]["label"] == "true_positive"
        assert (key.revoked_at is not None, key.revoked_reason) == (True, "leaked")
        deliver_due_mail(at=now())
        assert [sent.to for sent in mail.outbox] == [[owner.email]]
        assert api_key.secret not in mail.outbox[0].body
        entry = AuditEntry.objects.get(act="api_key.leaked")
        assert entry.facts["url"] == "https://code.example/x.py"
        assert api_key.secret not in json.dumps(entry.facts)

    def test_reported_twice_tell_once(
        self,
        scanner: Callable[..., Any],
        api_key: CreatedKey,
        owner: User,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answers = [scanner(self.found(api_key.secret)).json()[0]["label"] for _ in range(2)]

        assert answers == ["true_positive"] * 2
        assert OutgoingMail.objects.count() == 1

    def test_of_an_unknown_secret_are_false(
        self, scanner: Callable[..., Any], api_key: CreatedKey
    ) -> None:
        answer = scanner(self.found("lct_live_" + "0" * 36))

        assert answer.json()[0]["label"] == "false_positive"
        assert ApiKey.objects.get(id=api_key.key.id).revoked_at is None

    def test_of_a_rotated_secret_end_only_that_one(
        self, scanner: Callable[..., Any], api_key: CreatedKey
    ) -> None:
        new = rotate_api_key(
            key_id=api_key.key.id,
            organization_id=api_key.key.organization_id,
            grace=timedelta(days=7),
            actor=SYSTEM,
            at=now(),
        )

        scanner(self.found(api_key.secret))

        assert called_with(new.secret, at=now()) == api_key.key.id
        with pytest.raises(InvalidApiKey):
            called_with(api_key.secret, at=now() + timedelta(seconds=1))

    @pytest.mark.parametrize(
        "how",
        [{"signed": b"[]"}, {"identifier": "k2"}, {"raw": ""}, {"raw": "%%%"}, {"raw": "AAAA"}],
        ids=str,
    )
    def test_that_are_not_signed_by_a_known_scanner_do_nothing(
        self, scanner: Callable[..., Any], api_key: CreatedKey, how: dict[str, Any]
    ) -> None:
        answer = scanner(self.found(api_key.secret), **how)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "report_not_signed"
        assert ApiKey.objects.get(id=api_key.key.id).revoked_at is None

    def test_are_refused_where_no_scanner_is_configured(
        self, scanner: Callable[..., Any], api_key: CreatedKey, settings: Any
    ) -> None:
        settings.LEAK_SCANNER_KEYS = None

        assert scanner(self.found(api_key.secret)).status_code == 401
