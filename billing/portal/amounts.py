"""Amounts as people type them: dollars with a point, to µUSD, without a float on the way."""

from decimal import Decimal, InvalidOperation

from governance.kernel.errors import InvalidRequest
from governance.kernel.money import LARGEST_AMOUNT, MICRODOLLARS_PER_USD, Microdollars


def microdollars(text: str, field: str) -> Microdollars:
    """``12.50`` as 12,500,000 µUSD. Raises InvalidRequest for what is no amount."""
    try:
        amount = Decimal(text.strip().lstrip("$").replace(",", "")) * MICRODOLLARS_PER_USD
    except InvalidOperation as error:
        raise InvalidRequest(f"“{text[:40]}” is no amount in dollars.", param=field) from error
    if not amount.is_finite() or amount != int(amount) or abs(amount) > LARGEST_AMOUNT:
        raise InvalidRequest("Give an amount in dollars, such as 12.50.", param=field)
    return Microdollars(int(amount))
