"""Quotes from the price list in force."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from billing.kernel.pricing import TRAINING_PIXELS, PriceNotFound, Quote, price, price_training
from billing.models import PriceVersion

__all__ = ["PriceNotFound", "Quote", "quote_generation", "quote_training"]


def quote_generation(
    *,
    release_slug: str,
    variant: str,
    width: int,
    height: int,
    steps: int,
    images: int,
    adapters: int = 0,
    style_references: int = 0,
    at: datetime,
) -> Quote:
    """The price of a request at ``at``; one query. Raises PriceNotFound.

    A price for the release itself wins over the one for its variant.
    """
    version = version_in_force(at)
    return price(
        price_list(version),
        price_version_id=version,
        release=release_slug,
        variant=variant,
        width=width,
        height=height,
        steps=steps,
        images=images,
        adapters=adapters,
        style_references=style_references,
    )


def quote_training(*, steps: int, at: datetime, pixels: int = TRAINING_PIXELS) -> Quote:
    """The price of training an adapter for so many steps on pictures of ``pixels``.

    Raises PriceNotFound.
    """
    version = version_in_force(at)
    return price_training(price_list(version), price_version_id=version, steps=steps, pixels=pixels)


def version_in_force(at: datetime) -> UUID:
    """The newest published list that has begun. Raises PriceNotFound."""
    version = (
        PriceVersion.objects.filter(published_at__isnull=False, effective_from__lte=at)
        .order_by("-effective_from")
        .values_list("id", flat=True)
        .first()
    )
    if version is None:
        raise PriceNotFound("No price list is in force. An operator must publish one.")
    return version


@lru_cache(maxsize=64)
def price_list(version: UUID) -> dict[str, Any]:
    """A published list's body; published lists never change, so it may be kept."""
    body: dict[str, Any] = PriceVersion.objects.get(id=version).body
    return body
