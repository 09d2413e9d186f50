"""What a letter says, apart from how it looks: one shape for every e-mail of the product."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """One e-mail's words. ``action`` is a button: its label and its absolute address."""

    kind: str
    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    action: tuple[str, str] | None = None
    tone: str = ""
    small_print: str = ""
