"""Looking a picture up in the hash banks: by SHA-256, then by near perceptual hash."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.models import Count, Max, Q

from governance.kernel.canonical import sha256_hex
from moderation.classifiers import pdq
from moderation.classifiers.protocols import Pixels
from moderation.models import HashEntry

# Most serious first; the allow-list is asked last and overrules only the banks in OVERRULED.
ORDER = ("child_safety", "intimate", "removals", "deny", "allow")
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class BankHit:
    """A known picture: which entry of which bank, by which hash, how many bits away."""

    entry_id: UUID
    bank: str
    by: str
    distance: int


@dataclass(frozen=True)
class BankState:
    """How many entries in force the banks hold, how many of them perceptual, and a hash over how they
    stand, which stands for the version of their contents in verdicts."""

    entries: int
    perceptual: int
    sha256: str


def bank_state() -> BankState:
    """The banks as they stand; one query."""
    found = HashEntry.objects.aggregate(
        entries=Count("id", filter=Q(withdrawn_at__isnull=True)),
        perceptual=Count("id", filter=Q(withdrawn_at__isnull=True) & ~Q(pdq="")),
        added=Max("added_at"),
        withdrawn=Max("withdrawn_at"),
    )
    stamp = f"{found['entries']} {found['perceptual']} {found['added']} {found['withdrawn']}"
    return BankState(found["entries"], found["perceptual"], sha256_hex(stamp.encode()))


def hit_by_sha256(sha256: str) -> BankHit | None:
    """The most serious entry with exactly these bytes; one query, before anything is decoded."""
    found = HashEntry.objects.filter(sha256=sha256, withdrawn_at__isnull=True)
    entries = sorted(found, key=lambda entry: ORDER.index(entry.bank))
    return BankHit(entries[0].id, entries[0].bank, "sha256", 0) if entries else None


def hits_by_pixels(pixels: Pixels) -> list[BankHit]:
    """Entries within 31 of 256 bits in any of 8 orientations, the most serious and nearest first.

    A picture with too little to see (quality below 50) is near to nothing.
    """
    hashes = pdq.pdq_of_orientations(pixels)
    if hashes[0].quality < pdq.LEAST_QUALITY:
        return []
    hits: list[BankHit] = []
    rows = HashEntry.objects.filter(withdrawn_at__isnull=True).exclude(pdq="")
    batch: list[tuple[UUID, str, str]] = []
    for row in rows.values_list("id", "bank", "pdq").iterator(chunk_size=ROWS_AT_ONCE):
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            hits += _near(batch, hashes)
            batch = []
    hits += _near(batch, hashes)
    return sorted(hits, key=lambda hit: (ORDER.index(hit.bank), hit.distance))


def _near(rows: list[tuple[UUID, str, str]], hashes: list[pdq.PdqHash]) -> list[BankHit]:
    if not rows:
        return []
    packed = b"".join(bytes.fromhex(value) for _, _, value in rows)
    bank = np.frombuffer(packed, dtype=np.uint8).reshape(len(rows), -1)
    nearest = np.min([pdq.distances(each.bits, bank) for each in hashes], axis=0)
    return [
        BankHit(rows[place][0], rows[place][1], "pdq", int(nearest[place]))
        for place in np.flatnonzero(nearest <= pdq.NEAR)
    ]
