"""The audit log as a tree: nothing is lost, nothing changes unseen."""

import threading

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.utils.timezone import now

from governance.kernel import merkle
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.notes import parsed_checkpoint, verified_text
from governance.models import AuditEntry, AuditLeaf, AuditPending, Organization
from governance.operations import audit
from governance.operations.audit_tree import (
    audit_signer,
    publish_checkpoint,
    sequence_entries,
)
from governance.queries.audit_tree import consistency_proof, inclusion_proof, log_size, stored_nodes

PERSON = Actor(
    kind="user", id="0198", label="ada@example.com", ip="203.0.113.7", request_id="req_1"
)


def append(count: int, **fields: object) -> list[AuditEntry]:
    """Entries as an operation writes them."""
    return [
        audit.record(act="thing.done", actor=PERSON, subject_kind="thing", subject_id=n, **fields)
        for n in range(count)
    ]


class TestRecording:
    def test_keeps_what_names_a_person_out_of_the_facts_of_the_leaf(self, db: None) -> None:
        entry = audit.record(
            act="member.invited",
            actor=PERSON,
            subject_kind="invitation",
            subject_id="1",
            facts={"email": "bob@example.com", "note": "ask eve@example.com", "role": "member"},
        )

        sequence_entries()

        data = AuditLeaf.objects.get(entry_id=entry.id).data
        assert entry.facts == {"role": "member"}
        assert entry.shown_facts["email"] == "bob@example.com"
        assert not any(word in data for word in ("ada@", "bob@", "eve@", "203.0.113.7"))
        assert set(entry.commitments) == {"actor", "ip", "facts.email", "facts.note"}


class TestTheDatabase:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE governance_audit_entry SET act = 'thing.undone'",
            "UPDATE governance_audit_entry SET at = at - interval '1 day'",
            "UPDATE governance_audit_entry SET facts = '{\"a\": 1}'",
            "UPDATE governance_audit_entry SET actor_label = 'mallory@example.com'",
            "UPDATE governance_audit_entry SET commitments = '{}'",
            'UPDATE governance_audit_entry SET personal = \'{"facts.email": "x"}\'',
            "DELETE FROM governance_audit_entry",
            "UPDATE governance_audit_leaf SET data = '{}'",
            "DELETE FROM governance_audit_leaf",
            "UPDATE governance_audit_checkpoint SET note = ''",
            "DELETE FROM governance_audit_checkpoint",
            "SET LOCAL licet.may_truncate = 'off'; TRUNCATE governance_audit_entry",
            "SET LOCAL licet.may_truncate = 'off'; TRUNCATE governance_audit_leaf",
        ],
    )
    def test_refuses(self, db: None, statement: str) -> None:
        append(1)
        sequence_entries()
        publish_checkpoint(at=now())

        with pytest.raises(
            DatabaseError, match=r"append-only|Cannot (update or )?delete|Cannot update"
        ):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)

    def test_lets_personal_data_be_erased(self, db: None) -> None:
        append(1)

        AuditEntry.objects.update(actor_label="", ip=None, salts={})

        assert AuditEntry.objects.get().actor_label == ""


class TestSequencing:
    def test_gives_each_entry_one_leaf_and_counts_each_organization(
        self, organization: Organization
    ) -> None:
        sequence_entries()
        before = log_size()
        append(3, organization_id=organization.id)
        append(2)

        taken = sequence_entries()

        own = AuditLeaf.objects.filter(organization_id=organization.id).order_by("index")
        assert (taken, log_size()) == (5, before + 5)
        assert [leaf.ordinal for leaf in own] == list(range(own.count()))
        assert not AuditPending.objects.exists()

    def test_again_without_new_entries_adds_nothing(self, db: None) -> None:
        append(2)
        sequence_entries()

        assert sequence_entries() == 0

    def test_builds_the_tree_of_rfc_6962_over_many_batches(self, db: None) -> None:
        for count in (1, 255, 300, 150):
            append(count)
            sequence_entries()

        leaves = [
            merkle.leaf_hash(data.encode())
            for data in AuditLeaf.objects.order_by("index").values_list("data", flat=True)
        ]
        plain = merkle.root(
            len(leaves), lambda level, i: merkle.fold(leaves[i << level : (i + 1) << level])
        )
        assert merkle.root(log_size(), stored_nodes()) == plain


@pytest.mark.django_db(transaction=True)
class TestLateCommits:
    def test_an_entry_whose_transaction_commits_late_is_sequenced_all_the_same(self) -> None:
        written, may_commit = threading.Event(), threading.Event()
        early: list[AuditEntry] = []

        def slow() -> None:
            with transaction.atomic():
                early.extend(append(1))
                written.set()
                assert may_commit.wait(60)
            connection.close()

        thread = threading.Thread(target=slow)
        thread.start()
        assert written.wait(60)
        append(3)
        first = sequence_entries()
        may_commit.set()
        thread.join(60)

        second = sequence_entries()

        assert (first, second) == (3, 1)
        assert AuditLeaf.objects.get(entry_id=early[0].id).index == 3

    def test_appending_does_not_wait_for_the_sequencer(self) -> None:
        append(1)
        done = threading.Event()

        def other() -> None:
            append(1)
            connection.close()
            done.set()

        with transaction.atomic():
            sequence_entries()
            thread = threading.Thread(target=other)
            thread.start()
            assert done.wait(60)
        thread.join(60)

        assert sequence_entries() == 1


class TestCheckpoints:
    def test_sign_size_and_root_and_are_made_once_for_a_size(self, db: None) -> None:
        append(5)
        sequence_entries()

        made = publish_checkpoint(at=now())
        again = publish_checkpoint(at=now())

        assert made is not None
        assert again is None
        checkpoint = parsed_checkpoint(verified_text(made.note, audit_signer().verifier_key))
        assert (checkpoint.size, checkpoint.root) == (log_size(), bytes(made.root))

    def test_prove_an_entry_to_its_organization_and_to_no_other(
        self, organization: Organization, stranger: object
    ) -> None:
        entry = append(1, organization_id=organization.id)[0]
        append(40)
        sequence_entries()
        made = publish_checkpoint(at=now())
        assert made is not None

        proof = inclusion_proof(entry.id, organization_id=organization.id)

        leaf = merkle.leaf_hash(proof.data.encode())
        found = merkle.root_from_inclusion(leaf, proof.index, proof.size, proof.path)
        assert found == bytes(made.root)

    def test_continue_each_other(self, db: None) -> None:
        append(7)
        sequence_entries()
        first = publish_checkpoint(at=now())
        append(300)
        sequence_entries()
        second = publish_checkpoint(at=now())
        assert first is not None
        assert second is not None

        proof = consistency_proof(first.size, second.size)

        merkle.check_consistency(
            first.size, bytes(first.root), second.size, bytes(second.root), proof.path
        )


def test_a_system_entry_commits_to_no_address(db: None) -> None:
    entry = audit.record(act="thing.done", actor=SYSTEM, subject_kind="thing", subject_id=1)

    assert set(entry.commitments) == {"actor"}
