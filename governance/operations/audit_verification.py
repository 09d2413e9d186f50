"""Checking the whole log against itself and against its signed checkpoints. Changes nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from governance.kernel import merkle
from governance.kernel.commitments import commitment
from governance.kernel.notes import Checkpoint, NoteInvalid, parsed_checkpoint, verified_text
from governance.kernel.tenancy import privileged
from governance.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditNode, AuditPending
from governance.operations.audit_tree import audit_signer
from governance.queries.audit_leaves import leaf_data
from governance.queries.audit_tree import STRIDE, log_size, stored_nodes

# Longer than any transaction may take: an entry that claims to be older than this before the
# checkpoint that it follows was dated back.
LONGEST_TRANSACTION = timedelta(minutes=15)
CHUNK = 5_000

Progress = Callable[[int], None]


@dataclass
class Verification:
    """What was checked and what is wrong; ``findings`` is empty where the log holds."""

    size: int
    checkpoints: int = 0
    pending: int = 0
    entries_checked: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def wrong(self, finding: str) -> None:
        """Note a finding."""
        self.findings.append(finding)


@transaction.atomic
@privileged()
def verify_log(*, full: bool = False, progress: Progress = lambda _: None) -> Verification:
    """Check the log in one snapshot.

    Quick: counts, signatures, each checkpoint's root from the stored nodes. ``full``: each leaf is
    made again from its entry and each checkpoint's root from the leaves; ``progress`` is told how many.
    """
    with connection.cursor() as cursor:
        if connection.in_atomic_block and not connection.savepoint_ids:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET LOCAL statement_timeout = 0")
    found = Verification(size=log_size())
    _check_counts(found)
    checkpoints = _checked_checkpoints(found)
    _check_roots(found, checkpoints)
    if full:
        _check_leaves(found, checkpoints, progress)
    return found


def _check_counts(found: Verification) -> None:
    leaves, entries = AuditLeaf.objects.count(), AuditEntry.objects.count()
    found.pending = AuditPending.objects.count()
    if leaves != found.size:
        found.wrong(f"{found.size - leaves} leaves are missing below the last one")
    if entries != leaves + found.pending:
        found.wrong(
            f"there are {entries} entries but {leaves} leaves and {found.pending} waiting for one"
        )


def trusted_keys() -> set[str]:
    """The verifier keys of this installation: today's, and those the operator names as former."""
    return {audit_signer().verifier_key, *settings.AUDIT_FORMER_KEYS}


def _checked_checkpoints(found: Verification) -> list[Checkpoint]:
    """The checkpoints whose signature and row hold, smallest first."""
    trusted, good = trusted_keys(), []
    for row in AuditCheckpoint.objects.order_by("size"):
        found.checkpoints += 1
        try:
            checkpoint = parsed_checkpoint(verified_text(row.note, row.verifier_key))
        except NoteInvalid as error:
            found.wrong(f"the checkpoint of {row.size} leaves: {error}")
            continue
        if row.verifier_key not in trusted:
            found.wrong(f"the checkpoint of {row.size} leaves is signed by an unknown key")
        if (checkpoint.size, checkpoint.root) != (row.size, bytes(row.root)):
            found.wrong(f"the checkpoint of {row.size} leaves differs from its signed note")
        good.append(checkpoint)
    return good


def _check_roots(found: Verification, checkpoints: Sequence[Checkpoint]) -> None:
    """Each checkpoint's root from the stored nodes, and times that run forward."""
    node, before = stored_nodes(), None
    for checkpoint in checkpoints:
        if checkpoint.size > found.size:
            found.wrong(
                f"the log was signed with {checkpoint.size} leaves and has {found.size}: truncated"
            )
        elif _root_or_none(checkpoint.size, node) != checkpoint.root:
            found.wrong(f"the tree of {checkpoint.size} leaves is not the one that was signed")
        if before is not None and checkpoint.at < before:
            found.wrong(f"the checkpoint of {checkpoint.size} leaves is older than a smaller one")
        before = checkpoint.at


def _root_or_none(size: int, node: merkle.Node) -> bytes | None:
    """The root, or None where leaves or nodes are missing."""
    try:
        return merkle.root(size, node)
    except IndexError:
        return None


def _check_leaves(
    found: Verification, checkpoints: Sequence[Checkpoint], progress: Progress
) -> None:
    """Every leaf from its entry, every root from the leaves."""
    frontier, due = merkle.Frontier(), {each.size: each for each in checkpoints}
    ordinals: defaultdict[UUID | None, int] = defaultdict(int)
    earliest: datetime | None = None
    nodes = _NodeCheck(found)
    for leaf, entry in _leaves_with_entries(found.size):
        if leaf.index != frontier.size:
            found.wrong(f"leaf {frontier.size} is missing")
            return
        _check_leaf(found, leaf, entry, ordinals, earliest)
        leaf_hash = merkle.leaf_hash(leaf.data.encode())
        frontier.append(leaf_hash)
        nodes.note(leaf.index, leaf_hash)
        signed = due.get(frontier.size)
        if signed is not None:
            earliest = signed.at - LONGEST_TRANSACTION
            if frontier.root() != signed.root:
                found.wrong(f"the first {signed.size} leaves do not have the root that was signed")
        found.entries_checked += 1
        if found.entries_checked % CHUNK == 0:
            progress(found.entries_checked)


def _leaves_with_entries(size: int) -> Iterator[tuple[AuditLeaf, AuditEntry | None]]:
    for start in range(0, size, CHUNK):
        block = AuditLeaf.objects.filter(index__gte=start, index__lt=start + CHUNK)
        leaves = list(block.order_by("index"))
        entries = AuditEntry.objects.in_bulk([leaf.entry_id for leaf in leaves])
        yield from ((leaf, entries.get(leaf.entry_id)) for leaf in leaves)


def _check_leaf(
    found: Verification,
    leaf: AuditLeaf,
    entry: AuditEntry | None,
    ordinals: defaultdict[UUID | None, int],
    earliest: datetime | None,
) -> None:
    name = f"leaf {leaf.index} (entry {leaf.entry_id})"
    if entry is None:
        found.wrong(f"{name}: the entry was deleted")
        return
    if leaf_data(entry, leaf.ordinal).decode() != leaf.data:
        found.wrong(f"{name}: the entry is not the one that was hashed")
    if leaf.organization_id != entry.organization_id:
        found.wrong(f"{name}: it was given to another organization")
    if merkle.leaf_hash(leaf.data.encode()) != bytes(leaf.hash):
        found.wrong(f"{name}: its hash is not of its data")
    if leaf.ordinal != ordinals[leaf.organization_id]:
        found.wrong(f"{name}: its organization's count skips from {ordinals[leaf.organization_id]}")
    ordinals[leaf.organization_id] = leaf.ordinal + 1
    if earliest is not None and entry.at < earliest:
        found.wrong(f"{name}: dated {entry.at.isoformat()}, before the checkpoint that it follows")
    if not _openings_fit(entry):
        found.wrong(f"{name}: personal data is not what was committed to")


def _openings_fit(entry: AuditEntry) -> bool:
    """Whether what is kept of the personal data opens its commitments; what is erased does not count."""
    values = {"actor": entry.actor_label, "ip": entry.ip or "", **entry.personal}
    return all(
        name in entry.salts and commitment(entry.salts[name], value) == entry.commitments.get(name)
        for name, value in values.items()
        if value
    )


class _NodeCheck:
    """Compares the stored inner nodes of level 8 with the leaves as they pass."""

    def __init__(self, found: Verification) -> None:
        self._found = found
        self._stored = {
            index: bytes(value)
            for index, value in AuditNode.objects.filter(level=STRIDE).values_list("index", "hash")
        }
        self._block: list[bytes] = []

    def note(self, index: int, leaf_hash: bytes) -> None:
        """One more leaf; each 256th completes a node."""
        self._block.append(leaf_hash)
        if len(self._block) == 1 << STRIDE:
            number = index >> STRIDE
            if merkle.fold(self._block) != self._stored.get(number):
                self._found.wrong(f"the stored node over leaves {number << STRIDE} on is wrong")
            self._block = []
