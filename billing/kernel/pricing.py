"""Prices from a price list: integers in, µUSD out, one rounding per image.

    per image = ceil(base(variant, size) x steps / included steps) + adapters + style references
    training  = steps x ceil(price of a step at 1024 x 1024 px x pixels / 1024^2), where it is offered

A published price list never changes; a job keeps the quote that it was accepted with.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from governance.kernel.errors import DomainError
from governance.kernel.money import LARGEST_AMOUNT, Microdollars

# µUSD for one optimizer step of training an adapter on a picture of TRAINING_PIXELS; a list without it
# offers no training.
TRAINING = "training_step_microusd"
TRAINING_PIXELS = 1024 * 1024


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
    # What was priced: release, variant, width, height, steps, adapters, style_references; or
    # training_steps and training_pixels.
    priced: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the job's row and for dry runs."""
        return {
            "amount_microusd": self.amount,
            "per_image_microusd": self.per_image,
            "images": self.images,
            "currency": self.currency,
            "price_version": str(self.price_version_id),
            "priced": self.priced,
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
    release: str = "",
) -> Quote:
    """The quote for one request; sizes in px, already rounded to what the model draws.

    A price for the release itself wins over the one for its variant. Rounds up once, per image:
    whole µUSD, never a fraction. Raises PriceNotFound.
    """
    model = body["models"].get(release) or body["models"].get(variant)
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
        priced={
            "release": release or variant,
            "variant": variant,
            "width": width,
            "height": height,
            "steps": steps,
            "adapters": adapters,
            "style_references": style_references,
        },
    )


def price_training(
    body: dict[str, Any], *, price_version_id: UUID, steps: int, pixels: int = TRAINING_PIXELS
) -> Quote:
    """The quote for training an adapter (LoRA) on pictures of ``pixels``: each step is a unit.

    A step costs in proportion to its pixels, rounded up to whole µUSD; captured by the steps that were
    run. Raises PriceNotFound where the list offers no training.
    """
    listed = body.get(TRAINING)
    if listed is None:
        raise PriceNotFound("The price list in force offers no training.")
    unit = -(-listed * pixels // TRAINING_PIXELS)
    return Quote(
        amount=Microdollars(unit * steps),
        per_image=Microdollars(unit),
        images=steps,
        price_version_id=price_version_id,
        lines=(Line(f"training step, {pixels:,} px", steps, unit),),
        priced={"training_steps": steps, "training_pixels": pixels},
    )


def size_price(sizes: list[dict[str, int]], pixels: int) -> int:
    """µUSD of the smallest size class that holds ``pixels``. Raises PriceNotFound."""
    for entry in sorted(sizes, key=lambda item: item["up_to_pixels"]):
        if pixels <= entry["up_to_pixels"]:
            return entry["microusd"]
    raise PriceNotFound(f"The price list has no price for {pixels} px.", pixels=pixels)


class InvalidPriceList(DomainError):
    """The price list is not complete; the detail names the place."""

    code = "invalid_price_list"
    title = "The price list cannot be used"
    status = 422


def require_price_list(body: Any) -> None:
    """Every price is a whole number of µUSD, every model has sizes that grow. Raises InvalidPriceList."""
    if not isinstance(body, dict) or not isinstance(body.get("models"), dict):
        raise InvalidPriceList("The list needs models.")
    for name in ("adapter_microusd", "style_reference_microusd"):
        require_amount(body.get(name), name)
    if TRAINING in body:
        require_amount(body[TRAINING], TRAINING)
    for variant in ("turbo", "raw"):
        if variant not in body["models"]:
            raise InvalidPriceList(f"The list has no price for {variant}.")
    for name, model in body["models"].items():
        require_model(name, model)


def require_model(name: str, model: Any) -> None:
    """One model's prices. Raises InvalidPriceList."""
    sizes = model.get("sizes") if isinstance(model, dict) else None
    if not isinstance(sizes, list) or not sizes:
        raise InvalidPriceList(f"{name} needs sizes.")
    require_amount(model.get("included_steps"), f"{name}.included_steps", at_least=1)
    before = 0
    for size in sizes:
        require_amount(size.get("up_to_pixels"), f"{name}.up_to_pixels", at_least=before + 1)
        require_amount(size.get("microusd"), f"{name}.microusd")
        before = size["up_to_pixels"]


def require_amount(value: Any, name: str, at_least: int = 0) -> None:
    """A whole number. Raises InvalidPriceList."""
    fits = isinstance(value, int) and not isinstance(value, bool)
    if not fits or not at_least <= value <= LARGEST_AMOUNT:
        raise InvalidPriceList(f"{name} must be a whole number, at least {at_least}.")
