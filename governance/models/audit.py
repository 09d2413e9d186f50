"""The audit log: append-only, written in the transaction of the act that it records.

An entry becomes a leaf of a Merkle tree when the sequencer has seen it committed; until then it waits
in ``AuditPending``, where a trigger has put it, so that no entry is lost and none waits for another.
"""

from typing import Any
from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models.functions import Now

from governance.kernel.commitments import FACT_PREFIX
from governance.kernel.ids import uuid7

ERASED = "erased"
# What may change in an entry: personal data may go, with the salts that made it provable.
ERASING_ONLY = """
    IF (OLD.id, OLD.at, OLD.organization_id, OLD.actor_kind, OLD.actor_id, OLD.act, OLD.subject_kind,
        OLD.subject_id, OLD.facts, OLD.commitments, OLD.request_id)
       IS DISTINCT FROM
       (NEW.id, NEW.at, NEW.organization_id, NEW.actor_kind, NEW.actor_id, NEW.act, NEW.subject_kind,
        NEW.subject_id, NEW.facts, NEW.commitments, NEW.request_id)
       OR NEW.actor_label NOT IN ('', OLD.actor_label)
       OR (NEW.ip IS NOT NULL AND NEW.ip IS DISTINCT FROM OLD.ip)
       OR NOT (NEW.personal <@ OLD.personal AND NEW.salts <@ OLD.salts)
    THEN
        RAISE EXCEPTION 'the audit log is append-only: only personal data may be erased from an entry';
    END IF;
    RETURN NEW;
"""
AWAIT_SEQUENCE = """
    INSERT INTO governance_audit_pending (entry_id) VALUES (NEW.id);
    RETURN NULL;
"""


def append_only(*more: pgtrigger.Trigger) -> list[pgtrigger.Trigger]:
    """Rows that are written once; ``TRUNCATE`` is refused as well, but to a role made for tests."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        never_truncated(),
        *more,
    ]


def never_truncated() -> pgtrigger.Trigger:
    """Refuses TRUNCATE. Django empties tables so between tests, hence the setting."""
    return pgtrigger.Trigger(
        name="never_truncated",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func="""
            IF coalesce(current_setting('licet.may_truncate', true), '') <> 'on' THEN
                RAISE EXCEPTION 'the audit log is append-only';
            END IF;
            RETURN NULL;
        """,
    )


class AuditEntry(models.Model):
    """One governed act: who did what to which subject, when by the database's clock.

    Has no foreign keys, so that an entry outlives what it tells of. ``actor_label``, ``ip`` and
    ``personal`` (facts that name a person) may be erased; the leaf holds ``commitments`` to them.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    at = models.DateTimeField(db_default=Now())
    organization_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=200, blank=True)
    ip = models.GenericIPAddressField(null=True)
    act = models.CharField(max_length=64)
    subject_kind = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64)
    facts = models.JSONField(default=dict)
    personal = models.JSONField(default=dict)
    salts = models.JSONField(default=dict)
    commitments = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "governance_audit_entry"
        indexes = [
            models.Index(fields=["organization_id", "-at"], name="audit_by_organization"),
            models.Index(fields=["subject_kind", "subject_id"], name="audit_by_subject"),
            models.Index(fields=["actor_id"], name="audit_by_actor"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="erasing_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func=ERASING_ONLY,
            ),
            pgtrigger.Trigger(
                name="await_sequence",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=AWAIT_SEQUENCE,
            ),
            never_truncated(),
        ]

    @property
    def shown_facts(self) -> dict[str, Any]:
        """The facts with those that name a person, as far as they were not erased."""
        names = [name for name in self.commitments if name.startswith(FACT_PREFIX)]
        personal = {
            name.removeprefix(FACT_PREFIX): self.personal.get(name, ERASED) for name in names
        }
        return {**self.facts, **personal}


class AuditPending(models.Model):
    """An entry that is no leaf yet. Filled by the entry's trigger, emptied by the sequencer."""

    entry_id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)

    class Meta:
        db_table = "governance_audit_pending"


class AuditLeaf(models.Model):
    """A leaf of the tree: ``data`` is canonical JSON (RFC 8785), ``hash`` SHA-256 of 0x00 and it.

    ``ordinal`` counts the leaves of one organization from 0, so that a part of the log that is shown
    to it cannot leave any out.
    """

    index = models.BigIntegerField(primary_key=True)
    entry_id: models.UUIDField[UUID, UUID] = models.UUIDField(unique=True)
    organization_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    ordinal = models.BigIntegerField()
    data = models.TextField()
    hash = models.BinaryField()

    class Meta:
        db_table = "governance_audit_leaf"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "ordinal"],
                name="audit_leaf_ordinal_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(index__gte=0, ordinal__gte=0), name="audit_leaf_counted"
            ),
        ]
        triggers = append_only()


class AuditNode(models.Model):
    """The root of a complete subtree of 2**level leaves, for levels 8, 16, 24 and 32."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        db_table = "governance_audit_node"
        triggers = append_only()


class AuditCheckpoint(models.Model):
    """A signed statement of the log's size and root (C2SP tlog-checkpoint), as it was sent out."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    at = models.DateTimeField()
    note = models.TextField()
    verifier_key = models.CharField(max_length=300)

    class Meta:
        db_table = "governance_audit_checkpoint"
        triggers = append_only()


class AuditStamp(models.Model):
    """What an outside notary said about a checkpoint: a time stamp or a log's receipt."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    checkpoint = models.ForeignKey(AuditCheckpoint, on_delete=models.PROTECT, related_name="stamps")
    notary = models.CharField(max_length=200)
    stamped_at = models.DateTimeField()
    token = models.BinaryField()

    class Meta:
        db_table = "governance_audit_stamp"
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "notary"], name="audit_stamp_once")
        ]
        triggers = append_only()
