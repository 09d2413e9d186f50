"""The stored tree: its size, its nodes, proofs from it."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.db.models import Max

from governance.kernel import merkle
from governance.kernel.errors import InvalidRequest, NotFound
from governance.kernel.tenancy import privileged
from governance.models import AuditCheckpoint, AuditLeaf, AuditNode

# Inner nodes are kept at each eighth level; what lies between is folded from at most 256 hashes.
STRIDE = 8
WIDTH = 1 << STRIDE


@dataclass(frozen=True)
class InclusionProof:
    """That a leaf is in the tree of a checkpoint; ``data`` are the bytes that are hashed."""

    index: int
    size: int
    data: str
    path: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True)
class ConsistencyProof:
    """That the tree of ``new`` leaves continues the tree of ``old`` leaves."""

    old: int
    new: int
    path: tuple[bytes, ...]


@privileged()
def log_size() -> int:
    """How many leaves the log has."""
    last: int | None = AuditLeaf.objects.aggregate(last=Max("index"))["last"]
    return 0 if last is None else last + 1


def stored_nodes() -> merkle.Node:
    """``node(level, index)`` of complete subtrees; reads blocks of 256 hashes and keeps the last 64."""

    @lru_cache(maxsize=64)
    def block(level: int, number: int) -> list[bytes]:
        begin = number * WIDTH
        rows = AuditNode.objects.filter(level=level) if level else AuditLeaf.objects.all()
        found = rows.filter(index__gte=begin, index__lt=begin + WIDTH).order_by("index")
        return [bytes(each) for each in found.values_list("hash", flat=True)]

    def node(level: int, index: int) -> bytes:
        base = level // STRIDE * STRIDE
        span = 1 << (level - base)
        number, place = divmod(index * span, WIDTH)
        return merkle.fold(block(base, number)[place : place + span])

    return node


def latest_checkpoint() -> AuditCheckpoint | None:
    """The checkpoint of the most leaves, or None before the first."""
    return AuditCheckpoint.objects.order_by("-size").first()


def checkpoint_of(size: int) -> AuditCheckpoint:
    """The checkpoint of exactly ``size`` leaves. Raises NotFound."""
    found = AuditCheckpoint.objects.filter(size=size).first()
    if found is None:
        raise NotFound(
            f"There is no checkpoint of {size} leaves. GET /v1/audit/checkpoint names one."
        )
    return found


def leaf_numbers(entries: Collection[UUID]) -> dict[UUID, int]:
    """The leaf of each of these entries that has one."""
    return dict(AuditLeaf.objects.filter(entry_id__in=entries).values_list("entry_id", "index"))


@privileged()
def inclusion_proof(
    entry_id: UUID, *, organization_id: UUID, size: int | None = None
) -> InclusionProof:
    """Proof that an organization's entry is in the tree of a checkpoint, the latest by default.

    Raises NotFound for another organization's entry, and where no checkpoint covers it yet.
    """
    leaf = AuditLeaf.objects.filter(entry_id=entry_id, organization_id=organization_id).first()
    if leaf is None:
        raise NotFound("There is no such entry, or it is not in the tree yet: seconds later it is.")
    checkpoint = latest_checkpoint() if size is None else checkpoint_of(size)
    if checkpoint is None or leaf.index >= checkpoint.size:
        raise NotFound("No checkpoint covers this entry yet. One is signed each hour.")
    path = merkle.inclusion_proof(leaf.index, checkpoint.size, stored_nodes())
    return InclusionProof(leaf.index, checkpoint.size, leaf.data, tuple(path), checkpoint.note)


@privileged()
def consistency_proof(old: int, new: int) -> ConsistencyProof:
    """Proof between two sizes of the log. Raises InvalidRequest for sizes that it never had."""
    if not 0 <= old <= new <= log_size():
        raise InvalidRequest(
            f"The log has {log_size()} leaves: 0 <= from <= to is asked for.", param="from"
        )
    return ConsistencyProof(old, new, tuple(merkle.consistency_proof(old, new, stored_nodes())))
