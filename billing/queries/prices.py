"""The price book for people: what is in force, what comes, what was; and what each outcome costs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.kernel.pricing import TRAINING
from billing.models import PriceVersion
from governance.kernel.errors import NotFound

# What is charged for which outcome; the words of the portal's price page and of docs/billing.md.
CHARGE_MATRIX = (
    ("Delivered", "the price per image, for every image delivered"),
    ("Delivered in part: n images asked for, k withheld or failed", "n - k images"),
    ("Blocked by policy: the prompt or the image", "nothing"),
    ("Failed: engine lost, black or NaN picture, out of time", "nothing"),
    ("Cancelled, before or while it is drawn", "nothing"),
    ("A key in test mode", "nothing"),
)
TRAINING_WORDS = "A step of training an adapter (LoRA) at 1024 x 1024 px, less for smaller pictures"


@dataclass(frozen=True)
class PriceRow:
    """One size class of one model, µUSD per image at the included steps."""

    model: str
    included_steps: int
    pixels: str
    amount: int


@dataclass(frozen=True)
class PriceBookEntry:
    """One version; ``state`` is draft, published (to come), in force or past."""

    version: PriceVersion
    state: str

    @property
    def rows(self) -> list[PriceRow]:
        """The prices per image, model by model."""
        return rows_of(self.version.body)

    @property
    def extras(self) -> list[tuple[str, int]]:
        """What comes on top, µUSD each."""
        return extras_of(self.version.body)


def price_book(at: datetime) -> list[PriceBookEntry]:
    """Every version, the latest to begin first."""
    versions = list(PriceVersion.objects.order_by("-effective_from"))
    begun = [v for v in versions if v.published_at is not None and v.effective_from <= at]
    current = begun[0].id if begun else None
    return [PriceBookEntry(version, state_of(version, current, at)) for version in versions]


def state_of(version: PriceVersion, current: UUID | None, at: datetime) -> str:
    """Where a version stands at ``at``."""
    if version.published_at is None:
        return "draft"
    if version.effective_from > at:
        return "published"
    return "in force" if version.id == current else "past"


def prices_for_tenants(at: datetime) -> tuple[PriceBookEntry | None, list[PriceBookEntry]]:
    """The list in force and those that come, the soonest first; drafts are not shown."""
    book = price_book(at)
    current = next((entry for entry in book if entry.state == "in force"), None)
    return current, [entry for entry in reversed(book) if entry.state == "published"]


def price_version(version_id: UUID, at: datetime) -> PriceBookEntry:
    """One version. Raises NotFound."""
    for entry in price_book(at):
        if entry.version.id == version_id:
            return entry
    raise NotFound("There is no such price list.")


def rows_of(body: dict[str, Any]) -> list[PriceRow]:
    """The prices per image of a list's body."""
    return [
        PriceRow(
            name, model["included_steps"], pixels_for_people(size["up_to_pixels"]), size["microusd"]
        )
        for name, model in models_of(body)
        for size in model["sizes"]
    ]


def models_of(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A list's models for people: the variants first, Turbo before Raw, then releases by name."""
    variants = ("turbo", "raw")
    rank = {name: place for place, name in enumerate(variants)}
    return sorted(body["models"].items(), key=lambda each: (rank.get(each[0], len(rank)), each[0]))


def extras_of(body: dict[str, Any]) -> list[tuple[str, int]]:
    """Adapters, style references and, where offered, training."""
    extras = [
        ("An adapter (LoRA), per image", body["adapter_microusd"]),
        ("A style reference, per image", body["style_reference_microusd"]),
    ]
    if TRAINING in body:
        extras.append((TRAINING_WORDS, body[TRAINING]))
    return extras


def pixels_for_people(pixels: int) -> str:
    """``1024 x 1024`` where the number is a square, the number itself otherwise."""
    side = int(pixels**0.5)
    return f"{side} x {side}" if side * side == pixels else str(pixels)
