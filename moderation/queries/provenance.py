"""The registry of released images: by bytes, by mark, by look; waivers; coverage."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db.models import Avg, Count, Min, Q

from moderation.classifiers import pdq
from moderation.classifiers.protocols import Pixels
from moderation.models import ProvenanceWaiver, ReleasedMark

MOST_CANDIDATES = 50_000


@dataclass(frozen=True)
class Coverage:
    """How many images were released in a period, and how they were marked. PSNR in dB."""

    released: int
    marked: int
    waived: int
    robust: int
    mean_psnr_db: float
    least_psnr_db: float

    @property
    def share(self) -> float:
        """The part of the released images that carries watermark and credentials, 0 to 1."""
        return self.marked / self.released if self.released else 1.0


@dataclass(frozen=True)
class Lookalike:
    """A released image that looks like the one asked about, and in how many of 256 bits it differs."""

    image: ReleasedMark
    distance: int


def waiver_in_force(*, organization_id: UUID, at: datetime) -> str:
    """The id of the waiver that holds for the organization now, or an empty string."""
    found = (
        ProvenanceWaiver.objects.filter(
            Q(organization_id=organization_id) | Q(organization_id=None),
            approved=True,
            ended_at=None,
            ends_at__gt=at,
        )
        .order_by("proposed_at")
        .values_list("id", flat=True)
        .first()
    )
    return str(found) if found else ""


def waivers() -> list[ProvenanceWaiver]:
    """Every waiver that was ever asked for, newest first, with the people."""
    found = ProvenanceWaiver.objects.select_related("proposed_by", "answered_by", "ended_by")
    return list(found.order_by("-proposed_at"))


def image_by_sha256(sha256: str) -> ReleasedMark | None:
    """The image that was released with exactly these bytes."""
    return ReleasedMark.objects.filter(sha256=sha256).order_by("at").first()


def image_by_mark(mark: int) -> ReleasedMark | None:
    """The image that carries this mark."""
    return ReleasedMark.objects.filter(mark=mark).first()


def image_by_look(pixels: Pixels) -> Lookalike | None:
    """The released image that looks most alike: at most 31 of 256 bits, in any of 8 orientations.

    A picture with too little to see (quality below 50) looks like nothing.
    """
    hashes = pdq.pdq_of_orientations(pixels)
    if hashes[0].quality < pdq.LEAST_QUALITY:
        return None
    wanted = sorted({word for each in hashes for word in pdq.near_words(each.bits)})
    found = ReleasedMark.objects.filter(
        pdq_words__overlap=wanted, pdq_quality__gte=pdq.LEAST_QUALITY
    ).values_list("id", "pdq")[:MOST_CANDIDATES]
    rows = list(found)
    if not rows:
        return None
    bank = np.frombuffer(bytes.fromhex("".join(row[1] for row in rows)), dtype=np.uint8)
    bank = bank.reshape(len(rows), -1)
    nearest = np.min([pdq.distances(each.bits, bank) for each in hashes], axis=0)
    place = int(nearest.argmin())
    if nearest[place] > pdq.NEAR:
        return None
    return Lookalike(ReleasedMark.objects.get(id=rows[place][0]), int(nearest[place]))


def provenance_coverage(
    *, begins: datetime, ends: datetime, organization_id: UUID | None = None
) -> Coverage:
    """The figures of a period, of one organization or of all."""
    images = ReleasedMark.objects.filter(at__gte=begins, at__lt=ends)
    if organization_id is not None:
        images = images.filter(organization_id=organization_id)
    figures = images.aggregate(
        released=Count("id"),
        marked=Count("id", filter=Q(mark__isnull=False) & ~Q(credentials="")),
        waived=Count("id", filter=Q(waiver__isnull=False)),
        robust=Count("id", filter=Q(robust=True)),
        mean=Avg("psnr_millidb", filter=Q(mark__isnull=False)),
        least=Min("psnr_millidb", filter=Q(mark__isnull=False)),
    )
    return Coverage(
        released=figures["released"],
        marked=figures["marked"],
        waived=figures["waived"],
        robust=figures["robust"],
        mean_psnr_db=round((figures["mean"] or 0) / 1000, 1),
        least_psnr_db=round((figures["least"] or 0) / 1000, 1),
    )
