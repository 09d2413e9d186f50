"""Prices from a price list: integers in, µUSD out, one rounding per image.

    per image = ceil(base(variant, size) x steps / included steps) + adapters + style references

A published price list never changes; a job keeps the quote that it was accepted with.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from governance.kernel.errors import DomainError
from governance.kernel.money import LARGEST_AMOUNT, Microdollars


class PriceNotFound(DomainError):
    """The price list in force has no price for this; the operator must publish one."""

    code = "price_not_found"
    title = "There is no price for this request"
    status = 503


@dataclass(frozen=True)
class Line:
    """One line of a quote: what, how often, at how many µUSD each."""

    text: str
    quantity: int
    unit_microusd: int

    @property
    def amount(self) -> int:
        """µUSD of the line."""
        return self.quantity * self.unit_microusd


@dataclass(frozen=True)
class Quote:
    """The price of one request, fixed when it is accepted. ``amount = per_image x images``."""

    amount: Microdollars
    per_image: Microdollars
    images: int
    price_version_id: UUID
    lines: tuple[Line, ...]
    currency: str = "USD"

    def as_json(self) -> dict[str, Any]:
        """For the job's row and for dry runs."""
        return {
            "amount_microusd": self.amount,
            "per_image_microusd": self.per_image,
            "images": self.images,
            "currency": self.currency,
            "price_version": str(self.price_version_id),
            "lines": [
                {
                    "text": line.text,
                    "quantity": line.quantity,
                    "unit_microusd": line.unit_microusd,
                    "amount_microusd": line.amount,
                }
                for line in self.lines
            ],
        }


def price(
    body: dict[str, Any],
    *,
    price_version_id: UUID,
    variant: str,
    width: int,
    height: int,
    steps: int,
    images: int,
    adapters: int,
    style_references: int,
) -> Quote:
    """The quote for one request; sizes in px, already rounded to what the model draws.

    Rounds up once, per image: whole µUSD, never a fraction. Raises PriceNotFound.
    """
    model = body["models"].get(variant)
    if model is None:
        raise PriceNotFound(f"The price list has no price for {variant}.", variant=variant)
    base = size_price(model["sizes"], width * height)
    drawn = -(-base * steps // model["included_steps"])
    lines = [Line(f"{variant}, {width} x {height} px, {steps} steps", images, drawn)]
    for text, count, unit in (
        ("adapter", adapters, body["adapter_microusd"]),
        ("style reference", style_references, body["style_reference_microusd"]),
    ):
        if count:
            lines.append(Line(text, images * count, unit))
    amount = sum(line.amount for line in lines)
    assert 0 <= amount <= LARGEST_AMOUNT, "a price fits in 53 bits"
    return Quote(
        amount=Microdollars(amount),
        per_image=Microdollars(amount // images),
        images=images,
        price_version_id=price_version_id,
        lines=tuple(lines),
    )


def size_price(sizes: list[dict[str, int]], pixels: int) -> int:
    """µUSD of the smallest size class that holds ``pixels``. Raises PriceNotFound."""
    for entry in sorted(sizes, key=lambda item: item["up_to_pixels"]):
        if pixels <= entry["up_to_pixels"]:
            return entry["microusd"]
    raise PriceNotFound(f"The price list has no price for {pixels} px.", pixels=pixels)
