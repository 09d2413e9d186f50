"""Merkle trees as in RFC 6962, section 2.1 (SHA-256): roots, inclusion and consistency proofs.

Pure: the hashes of complete subtrees come from a function ``node(level, index)``, level 0 being the
leaves. Index ``i`` at level ``n`` covers the leaves ``i * 2**n`` up to ``(i + 1) * 2**n``.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

Node = Callable[[int, int], bytes]
EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofInvalid(ValueError):
    """The hashes do not lead to the root."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 of 0x00 and the entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and the two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over ``hashes``, whose number is a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def split(count: int) -> int:
    """The largest power of two that is smaller than ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def subtree(begin: int, end: int, node: Node) -> bytes:
    """MTH(D[begin:end]) for a range that RFC 6962's splitting arrives at."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + split(count)
    return node_hash(subtree(begin, middle, node), subtree(middle, end, node))


def root(size: int, node: Node) -> bytes:
    """The root of the first ``size`` leaves."""
    return subtree(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """PATH(index, D[size]), leaf to root. Raises IndexError outside the tree."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} is not in a tree of {size}")
    begin, end = 0, size
    path: list[bytes] = []
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            path.append(subtree(middle, end, node))
            end = middle
        else:
            path.append(subtree(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]): that the first ``old`` of ``new`` leaves are those of the older tree.

    Empty where there is nothing to prove. Raises IndexError where ``old`` is the larger.
    """
    if not 0 <= old <= new:
        raise IndexError(f"a tree of {new} has no older tree of {old}")
    if old in {0, new}:
        return []
    begin, end, whole = 0, new, True
    path: list[bytes] = []
    while old != end:
        middle = begin + split(end - begin)
        if old <= middle:
            path.append(subtree(middle, end, node))
            end = middle
        else:
            path.append(subtree(begin, middle, node))
            begin, whole = middle, False
    if not whole:
        path.append(subtree(begin, end, node))
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2). Raises ProofInvalid."""
    if not 0 <= index < size:
        raise ProofInvalid(f"leaf {index} is not in a tree of {size}")
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    return found


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """RFC 9162, 2.1.4.2. Raises ProofInvalid where the newer tree is no continuation."""
    if old > new or (old in {0, new} and path):
        raise ProofInvalid("there is nothing to prove between these sizes")
    if old not in {0, new}:
        roots = _roots_from_consistency(old, new, path if old & (old - 1) else [old_root, *path])
    else:
        roots = (old_root, new_root if old == 0 else old_root)
    if roots != (old_root, new_root):
        raise ProofInvalid("the newer tree is no continuation of the older one")


def _roots_from_consistency(old: int, new: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that the hashes lead to. Raises ProofInvalid for their number."""
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = hashes[0] if hashes else b""
    for sibling in hashes[1:]:
        if at & 1 or at == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    return older, newer


class Frontier:
    """A growing tree of which only the right edge is kept: appends in O(1), root in O(log n)."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self._edge.pop(), carry)
            size >>= 1
        self._edge.append(carry)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root over everything appended so far."""
        if not self._edge:
            return EMPTY_ROOT
        found = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            found = node_hash(left, found)
        return found
