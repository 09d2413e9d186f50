"""The one sequencer: committed entries become leaves, leaves become a signed checkpoint."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from governance.kernel import merkle
from governance.kernel.notes import Checkpoint, NoteSigner
from governance.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditNode, AuditPending
from governance.queries.audit_leaves import leaf_data
from governance.queries.audit_tree import STRIDE, WIDTH, log_size, stored_nodes

BATCH = 20_000
LOCK = "licet.audit.sequencer"
TOP_LEVEL = 32


def sequence_entries() -> int:
    """Give every committed entry its leaf, oldest first; returns how many.

    One sequencer at a time: a second call returns 0 at once. An entry whose transaction commits
    late is still pending then and is taken by the next run, so none is lost. Safe to repeat.
    """
    total = 0
    while taken := _sequence_batch():
        total += taken
    return total


@transaction.atomic
def _sequence_batch() -> int:
    if not _alone(wait=False):
        return 0
    waiting = AuditPending.objects.order_by("entry_id").values_list("entry_id", flat=True)[:BATCH]
    entries = sorted(
        AuditEntry.objects.filter(id__in=list(waiting)), key=lambda entry: (entry.at, entry.id)
    )
    if entries:
        size = log_size()
        _copy_in(_leaves(entries, size))
        complete_nodes(size, size + len(entries))
        _stop_waiting([entry.id for entry in entries])
    return len(entries)


def _copy_in(leaves: list[AuditLeaf]) -> None:
    """COPY, which takes a tenth of the time of INSERT."""
    columns = "index, entry_id, organization_id, ordinal, data, hash"
    with connection.cursor() as cursor, cursor.copy(
        f"COPY governance_audit_leaf ({columns}) FROM STDIN"
    ) as copy:  # fmt: skip
        for leaf in leaves:
            copy.write_row(
                (
                    leaf.index,
                    leaf.entry_id,
                    leaf.organization_id,
                    leaf.ordinal,
                    leaf.data,
                    leaf.hash,
                )
            )


def _stop_waiting(entries: list[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM governance_audit_pending WHERE entry_id = ANY(%s)", [entries])


def _leaves(entries: list[AuditEntry], size: int) -> list[AuditLeaf]:
    ordinals = _next_ordinals({entry.organization_id for entry in entries})
    leaves = []
    for index, entry in enumerate(entries, start=size):
        ordinal = ordinals[entry.organization_id]
        ordinals[entry.organization_id] += 1
        data = leaf_data(entry, ordinal)
        leaves.append(
            AuditLeaf(
                index=index,
                entry_id=entry.id,
                organization_id=entry.organization_id,
                ordinal=ordinal,
                data=data.decode(),
                hash=merkle.leaf_hash(data),
            )
        )
    return leaves


def _next_ordinals(organizations: set[UUID | None]) -> defaultdict[UUID | None, int]:
    """How many leaves each organization has: the unique index answers from its end."""
    found: defaultdict[UUID | None, int] = defaultdict(int)
    for organization in organizations:
        own = AuditLeaf.objects.filter(organization_id=organization)
        last = own.aggregate(last=Max("ordinal"))["last"]
        found[organization] = 0 if last is None else last + 1
    return found


def complete_nodes(before: int, after: int) -> None:
    """Keep the roots of the subtrees of 2**8, 2**16 ... leaves that these leaves completed."""
    node = stored_nodes()
    for level in range(STRIDE, TOP_LEVEL + 1, STRIDE):
        before, after = before // WIDTH, after // WIDTH
        AuditNode.objects.bulk_create(
            AuditNode(level=level, index=index, hash=_parent(node, level, index))
            for index in range(before, after)
        )


def _parent(node: merkle.Node, level: int, index: int) -> bytes:
    return merkle.node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))


def _alone(*, wait: bool) -> bool:
    """Take the sequencer's lock until the transaction ends; without waiting, whether it was free."""
    function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [LOCK])
        row = cursor.fetchone()
    return wait or bool(row and row[0])


def audit_signer() -> NoteSigner:
    """The key of this installation's log; it is never in the database."""
    return NoteSigner(settings.AUDIT_ORIGIN, settings.AUDIT_KEY)


@transaction.atomic
def publish_checkpoint(*, at: datetime) -> AuditCheckpoint | None:
    """Sign the log's size and root, once for each size; None where nothing is new.

    The stored checkpoint is written before it is sent: who repeats the sending sends the same note.
    """
    _alone(wait=True)
    size = log_size()
    if not size or AuditCheckpoint.objects.filter(size=size).exists():
        return None
    signer = audit_signer()
    checkpoint = Checkpoint(signer.name, size, merkle.root(size, stored_nodes()), at)
    return AuditCheckpoint.objects.create(
        size=size,
        root=checkpoint.root,
        at=at.replace(microsecond=0),
        note=signer.sign(checkpoint.text()),
        verifier_key=signer.verifier_key,
    )
