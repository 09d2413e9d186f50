"""How long a page of a list is."""

from governance.kernel.errors import InvalidRequest

USUAL, LARGEST = 20, 100


def page_size(text: str | None, *, usual: int = USUAL, largest: int = LARGEST) -> int:
    """The page's size as asked for in ``limit``. Raises InvalidRequest."""
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= largest):  # noqa: PLR2004
        raise InvalidRequest(f"limit must be from 1 to {largest}.", param="limit")
    return int(text)
