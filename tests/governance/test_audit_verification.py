"""Whoever changes the log, with every right on the database, is found out."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.timezone import now

from governance.kernel import merkle
from governance.kernel.actors import Actor
from governance.models import AuditCheckpoint, AuditEntry, AuditLeaf, Organization
from governance.operations import audit
from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.operations.audit_verification import verify_log
from governance.queries.audit_leaves import leaf_data
from governance.queries.audit_tree import log_size

PERSON = Actor(kind="user", id="0198", label="ada@example.com", ip="203.0.113.7")
ENTRIES = 280


def append(count: int) -> None:
    """One entry as an operation writes it, then copies of it with salts and all, in one insert."""
    first = audit.record(
        act="thing.done", actor=PERSON, subject_kind="thing", subject_id=0, facts={"n": 0}
    )
    fields = {
        field.attname: getattr(first, field.attname)
        for field in AuditEntry._meta.concrete_fields
        if field.attname not in {"id", "at", "subject_id"}
    }
    AuditEntry.objects.bulk_create(
        AuditEntry(subject_id=str(number), **fields) for number in range(1, count)
    )


@pytest.fixture
def log(organization: Organization) -> int:
    """A log with two checkpoints and leaves behind the second; its size."""
    append(ENTRIES // 2)
    sequence_entries()
    publish_checkpoint(at=now() - timedelta(hours=1))
    append(ENTRIES // 2)
    sequence_entries()
    publish_checkpoint(at=now())
    append(5)
    sequence_entries()
    return log_size()


@pytest.fixture
def superuser(log: int) -> Iterator[Callable[..., None]]:
    """Runs SQL with the triggers off, as one who owns the server can."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        yield cursor.execute
        cursor.execute("SET session_replication_role = DEFAULT")


def entry_of(index: int) -> str:
    """The entry of a leaf."""
    return str(AuditLeaf.objects.get(index=index).entry_id)


def rehash(index: int) -> None:
    """What a careful forger does after changing an entry: make its leaf anew."""
    leaf = AuditLeaf.objects.get(index=index)
    leaf.data = leaf_data(AuditEntry.objects.get(id=leaf.entry_id), leaf.ordinal).decode()
    leaf.hash = merkle.leaf_hash(leaf.data.encode())
    leaf.save()


def test_an_untouched_log_holds(log: int) -> None:
    found = verify_log(full=True)

    assert found.findings == []
    assert (found.entries_checked, found.checkpoints) == (log, 2)


class TestTampering:
    @pytest.mark.parametrize("careful", [False, True], ids=["plain", "leaf-made-anew"])
    @pytest.mark.parametrize(
        "change",
        [
            "act = 'thing.undone'",
            "at = at - interval '40 days'",
            "facts = '{\"n\": -1}'",
            "actor_id = 'somebody else'",
            "organization_id = gen_random_uuid()",
        ],
    )
    def test_an_edited_entry_is_found(
        self, superuser: Callable[..., None], change: str, careful: bool
    ) -> None:
        superuser(f"UPDATE governance_audit_entry SET {change} WHERE id = %s", [entry_of(101)])
        if careful:
            rehash(101)

        assert not verify_log(full=True).holds

    def test_a_deleted_entry_is_found_even_without_reading_all(
        self, superuser: Callable[..., None]
    ) -> None:
        superuser("DELETE FROM governance_audit_entry WHERE id = %s", [entry_of(17)])

        assert not verify_log().holds

    def test_an_entry_deleted_with_its_leaf_is_found(self, superuser: Callable[..., None]) -> None:
        superuser("DELETE FROM governance_audit_entry WHERE id = %s", [entry_of(17)])
        superuser("DELETE FROM governance_audit_leaf WHERE index = 17")

        assert not verify_log().holds

    def test_a_deletion_with_all_later_leaves_moved_up_is_found(
        self, superuser: Callable[..., None]
    ) -> None:
        superuser("DELETE FROM governance_audit_entry WHERE id = %s", [entry_of(17)])
        superuser("DELETE FROM governance_audit_leaf WHERE index = 17")
        superuser("UPDATE governance_audit_leaf SET index = index + 100000 WHERE index > 17")
        superuser("UPDATE governance_audit_leaf SET index = index - 100001 WHERE index > 100000")

        assert not verify_log(full=True).holds

    def test_an_entry_put_in_between_is_found(self, superuser: Callable[..., None]) -> None:
        superuser("UPDATE governance_audit_leaf SET index = index + 100000 WHERE index >= 40")
        superuser("UPDATE governance_audit_leaf SET index = index - 99999 WHERE index >= 100000")
        made = audit.record(act="forged", actor=PERSON, subject_kind="thing", subject_id=1)
        data = leaf_data(made, 40)
        AuditLeaf.objects.create(
            index=40,
            entry_id=made.id,
            ordinal=10_000,
            data=data.decode(),
            hash=merkle.leaf_hash(data),
        )

        assert not verify_log(full=True).holds

    def test_an_entry_without_a_leaf_is_found(self, superuser: Callable[..., None]) -> None:
        audit.record(act="forged", actor=PERSON, subject_kind="thing", subject_id=1)

        assert not verify_log().holds

    def test_two_exchanged_leaves_are_found(self, superuser: Callable[..., None]) -> None:
        superuser("UPDATE governance_audit_leaf SET index = 100000 WHERE index = 30")
        superuser("UPDATE governance_audit_leaf SET index = 30 WHERE index = 31")
        superuser("UPDATE governance_audit_leaf SET index = 31 WHERE index = 100000")

        assert not verify_log(full=True).holds

    def test_a_truncated_log_is_found(self, superuser: Callable[..., None], log: int) -> None:
        superuser(
            "DELETE FROM governance_audit_entry USING governance_audit_leaf "
            "WHERE entry_id = id AND index >= %s",
            [log - 50],
        )
        superuser("DELETE FROM governance_audit_leaf WHERE index >= %s", [log - 50])

        found = verify_log()

        assert any("truncated" in finding for finding in found.findings)

    def test_a_new_entry_that_claims_an_earlier_day_is_found(self, log: int) -> None:
        AuditEntry.objects.create(
            at=now() - timedelta(days=3), actor_kind="system", actor_id="licet", act="thing.done",
            subject_kind="thing", subject_id="1",
        )  # fmt: skip
        sequence_entries()

        found = verify_log(full=True)

        assert any("before the checkpoint that it follows" in finding for finding in found.findings)

    def test_a_log_rewritten_with_everything_but_the_key_is_found(
        self, superuser: Callable[..., None], log: int
    ) -> None:
        superuser("UPDATE governance_audit_entry SET act = 'x' WHERE id = %s", [entry_of(200)])
        rehash(200)
        superuser("DELETE FROM governance_audit_node")

        assert not verify_log(full=True).holds

    def test_checkpoints_signed_anew_with_another_key_are_found(
        self, superuser: Callable[..., None], settings: object
    ) -> None:
        superuser("DELETE FROM governance_audit_checkpoint")
        settings.AUDIT_KEY, kept = "the forger's", settings.AUDIT_KEY
        publish_checkpoint(at=now())
        settings.AUDIT_KEY = kept

        found = verify_log()

        assert any("unknown key" in finding for finding in found.findings)

    def test_personal_data_that_was_exchanged_is_found(
        self, superuser: Callable[..., None]
    ) -> None:
        superuser(
            "UPDATE governance_audit_entry SET actor_label = 'eve@example.com' WHERE id = %s",
            [entry_of(5)],
        )

        assert not verify_log(full=True).holds

    def test_a_checkpoint_without_its_leaves_is_found(self, superuser: Callable[..., None]) -> None:
        superuser("UPDATE governance_audit_checkpoint SET size = size + 1")

        assert not verify_log().holds


class TestTheCommand:
    def test_says_in_a_sentence_and_in_json_that_the_log_holds(
        self, log: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("verify_audit", full=True)

        out = capsys.readouterr().out
        assert "The audit log holds" in out
        assert '"holds": true' in out

    def test_fails_with_what_is_wrong(
        self, superuser: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        superuser("UPDATE governance_audit_checkpoint SET root = '\\x00'")

        with pytest.raises(CommandError, match="does not hold"):
            call_command("verify_audit")

        assert "differs from its signed note" in capsys.readouterr().err


def test_the_log_holds_after_personal_data_was_erased(log: int) -> None:
    AuditEntry.objects.update(actor_label="", ip=None, personal={}, salts={})

    assert verify_log(full=True).holds
    assert AuditCheckpoint.objects.count() == 2
