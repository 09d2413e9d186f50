"""Checkpoints and proofs over HTTP, and by mail."""

import base64

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.kernel import merkle
from governance.kernel.actors import SYSTEM
from governance.kernel.notes import parsed_checkpoint, verified_text
from governance.models import AuditCheckpoint, AuditEntry, Organization, OutgoingMail, Role, User
from governance.operations import audit
from governance.operations.api_keys import CreatedKey
from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.operations.checkpoint_mail import send_new_checkpoint
from governance.operations.organizations import add_member


def decoded(hashes: list[str]) -> list[bytes]:
    return [base64.b64decode(each) for each in hashes]


@pytest.fixture
def entry(organization: Organization, api_key: CreatedKey) -> AuditEntry:
    """The latest entry about the tenant, covered by a checkpoint."""
    sequence_entries()
    publish_checkpoint(at=now())
    made = audit.record(
        act="thing.done", actor=SYSTEM, subject_kind="thing", subject_id=1,
        organization_id=organization.id,
    )  # fmt: skip
    sequence_entries()
    publish_checkpoint(at=now())
    return made


def bearer(key: CreatedKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.secret}"}


def test_an_entry_is_proven_with_nothing_but_what_the_service_answers(
    client: Client, entry: AuditEntry, api_key: CreatedKey
) -> None:
    key = client.get("/v1/audit/key").content.decode().strip()

    proof = client.get(f"/v1/audit/entries/{entry.id}/proof", headers=bearer(api_key)).json()

    signed = parsed_checkpoint(verified_text(proof["checkpoint"], key))
    leaf = merkle.leaf_hash(proof["leaf"].encode())
    path = decoded(proof["hashes"])
    assert merkle.root_from_inclusion(leaf, proof["index"], proof["size"], path) == signed.root


def test_the_latest_checkpoint_continues_the_one_before(client: Client, entry: AuditEntry) -> None:
    key = client.get("/v1/audit/key").content.decode().strip()
    new = parsed_checkpoint(verified_text(client.get("/v1/audit/checkpoint").content.decode(), key))
    old_note = client.get(f"/v1/audit/checkpoints/{new.size - 1}").content.decode()
    old = parsed_checkpoint(verified_text(old_note, key))

    reply = client.get("/v1/audit/consistency", {"from": old.size, "to": new.size}).json()

    merkle.check_consistency(old.size, old.root, new.size, new.root, decoded(reply["hashes"]))


def test_another_organizations_entry_is_not_found(
    client: Client, entry: AuditEntry, api_key: CreatedKey
) -> None:
    other = audit.record(act="thing.done", actor=SYSTEM, subject_kind="thing", subject_id=2)
    sequence_entries()
    publish_checkpoint(at=now())

    reply = client.get(f"/v1/audit/entries/{other.id}/proof", headers=bearer(api_key))

    assert reply.status_code == 404


@pytest.mark.parametrize("query", [{}, {"from": "x", "to": "1"}, {"from": "9", "to": "99999999"}])
def test_sizes_that_the_log_never_had_are_refused_with_a_sentence(
    client: Client, entry: AuditEntry, query: dict[str, str]
) -> None:
    reply = client.get("/v1/audit/consistency", query)

    assert reply.status_code == 400
    assert "leaves" in reply.json()["detail"]


def test_before_the_first_checkpoint_there_is_none(client: Client, db: None) -> None:
    assert client.get("/v1/audit/checkpoint").status_code == 404


def test_owners_get_the_first_checkpoint_of_a_day_and_auditors_each(
    organization: Organization, owner: User
) -> None:
    auditor = User.objects.create_user("auditor@example.com")
    add_member(
        organization_id=organization.id, user=auditor, role=Role.AUDITOR, actor=SYSTEM, at=now()
    )
    sequence_entries()
    noon = now().replace(hour=12)
    OutgoingMail.objects.all().delete()

    send_new_checkpoint(at=noon)
    audit.record(act="thing.done", actor=SYSTEM, subject_kind="thing", subject_id=2)
    sequence_entries()
    send_new_checkpoint(at=noon.replace(hour=13))

    letters = OutgoingMail.objects.all()
    assert sorted(letter.to_address for letter in letters) == [
        "auditor@example.com", "auditor@example.com", owner.email,
    ]  # fmt: skip
    notes = AuditCheckpoint.objects.values_list("note", flat=True)
    assert all(any(note in letter.text for note in notes) for letter in letters)
