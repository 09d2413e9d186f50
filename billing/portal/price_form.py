"""A price list as people type it, in dollars and pixels, to the list that is published, and back."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import QueryDict

from billing.kernel.pricing import TRAINING
from billing.portal.amounts import microdollars
from billing.queries.prices import models_of, pixels_for_people
from governance.kernel.errors import InvalidRequest
from governance.kernel.money import MICRODOLLARS_PER_USD

SPARE_SIZES = 1
PIXELS = re.compile(r"\s*(\d{1,6})\s*[xX*]\s*(\d{1,6})\s*")
EXTRAS = (
    ("adapter_microusd", "Adapter (LoRA), per image", True),
    ("style_reference_microusd", "Style reference, per image", True),
    (TRAINING, "Training an adapter, per step", False),
)


@dataclass
class SizeFields:
    """One size class as typed."""

    up_to: str = ""
    price: str = ""


@dataclass
class ModelFields:
    """One model or release as typed; without a name it is a spare one."""

    name: str = ""
    included_steps: str = ""
    sizes: list[SizeFields] = field(default_factory=list)


@dataclass
class PriceForm:
    """Everything on the form, as text."""

    label: str
    begins: str
    models: list[ModelFields]
    extras: dict[str, str]

    @property
    def extra_fields(self) -> list[tuple[str, str, str, bool]]:
        """Name, words, text and whether it must be there."""
        return [(name, words, self.extras.get(name, ""), must) for name, words, must in EXTRAS]

    @property
    def effective_from(self) -> datetime:
        """When the list begins. Raises InvalidRequest."""
        try:
            return datetime.fromisoformat(self.begins).replace(tzinfo=UTC)
        except ValueError as error:
            raise InvalidRequest("Say when the prices begin.", param="begins") from error

    def body(self) -> dict[str, Any]:
        """The list to publish. Raises InvalidRequest for a field that cannot be read."""
        models = {model.name: model_body(model) for model in self.models if model.name}
        extras = {
            name: int(microdollars(self.extras[name], name))
            for name, _, must in EXTRAS
            if must or self.extras.get(name)
        }
        return {"models": models, **extras}


def form_of(body: dict[str, Any], *, label: str, begins: datetime) -> PriceForm:
    """The form filled with a list, with room for one more size of each model and one more model."""
    models = [
        ModelFields(
            name,
            str(model["included_steps"]),
            [
                SizeFields(pixels_for_people(s["up_to_pixels"]), dollars(s["microusd"]))
                for s in model["sizes"]
            ]
            + [SizeFields()] * SPARE_SIZES,
        )
        for name, model in models_of(body)
    ]
    models.append(ModelFields(sizes=[SizeFields(), SizeFields()]))
    extras = {name: dollars(body[name]) for name, _, _ in EXTRAS if name in body}
    return PriceForm(label, begins.strftime("%Y-%m-%dT%H:%M"), models, extras)


def form_from(data: QueryDict) -> PriceForm:
    """The form as it was sent."""
    models: list[ModelFields] = []
    while f"model-{len(models)}-steps" in data:
        prefix = f"model-{len(models)}"
        sizes: list[SizeFields] = []
        while f"{prefix}-size-{len(sizes)}-up_to" in data:
            place = f"{prefix}-size-{len(sizes)}"
            sizes.append(SizeFields(typed(data, f"{place}-up_to"), typed(data, f"{place}-price")))
        models.append(
            ModelFields(typed(data, f"{prefix}-name"), typed(data, f"{prefix}-steps"), sizes)
        )
    return PriceForm(
        label=typed(data, "label"),
        begins=typed(data, "begins"),
        models=models,
        extras={name: typed(data, name) for name, _, _ in EXTRAS},
    )


def typed(data: QueryDict, name: str) -> str:
    """What was typed into a field, without the spaces around it."""
    return str(data.get(name, "")).strip()


def model_body(model: ModelFields) -> dict[str, Any]:
    """One model of the list. Raises InvalidRequest."""
    return {
        "included_steps": whole(model.included_steps, f"{model.name}: included steps"),
        "sizes": [
            {
                "up_to_pixels": pixels(size.up_to, model.name),
                "microusd": int(microdollars(size.price, f"{model.name}: price")),
            }
            for size in model.sizes
            if size.up_to or size.price
        ],
    }


def pixels(text: str, model: str) -> int:
    """``1024 x 1024`` or a number of pixels. Raises InvalidRequest."""
    sides = PIXELS.fullmatch(text)
    return int(sides[1]) * int(sides[2]) if sides else whole(text, f"{model}: size")


def whole(text: str, what: str) -> int:
    """A whole number. Raises InvalidRequest."""
    if not re.fullmatch(r"\d{1,12}", text):
        raise InvalidRequest(f"{what} must be a whole number, not “{text[:40]}”.", param=what)
    return int(text)


def dollars(amount: int) -> str:
    """µUSD as typed: 15000 is 0.015."""
    return f"{Decimal(amount) / MICRODOLLARS_PER_USD:f}"


def next_midnight(at: datetime) -> datetime:
    """The next midnight UTC but one: time to look at a simulation before it begins."""
    return (
        (at + timedelta(days=2)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )
