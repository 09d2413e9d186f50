"""Microdollars: 1 USD = 1,000,000 µUSD, whole numbers in 64 bits, never floats."""

from typing import NewType

Microdollars = NewType("Microdollars", int)

MICRODOLLARS_PER_USD = 1_000_000
# PostgreSQL's bigint; JSON numbers stay exact below 2**53, which is 9.0 billion USD.
LARGEST_AMOUNT = 2**53 - 1


def usd(dollars: int) -> Microdollars:
    """Whole dollars as µUSD."""
    return Microdollars(dollars * MICRODOLLARS_PER_USD)


def format_usd(amount: int) -> str:
    """µUSD for people: at least two decimals, more only where they are not zero.

    >>> format_usd(1_500_000), format_usd(6_700), format_usd(-20_000)
    ('$1.50', '$0.0067', '-$0.02')
    """
    sign = "-" if amount < 0 else ""
    whole, micro = divmod(abs(amount), MICRODOLLARS_PER_USD)
    decimals = f"{micro:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{decimals}"
