"""Splitting a legal text into its numbered clauses, so that two versions can be compared."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

NUMBERED = re.compile(r"^(?:section\s+|§\s*)?(\d+(?:\.\d+)*)[.):]?\s+(\S.*)$", re.IGNORECASE)
LETTERED = re.compile(r"^\(([a-z])\)\s*(\S.*)$")
# Marks of emphasis and headings, where the text is kept as Markdown.
DECORATION = re.compile(r"^[#>\s]+|\*\*|__|\s+$")
LONGEST_TITLE = 90


@dataclass
class _Clause:
    number: str
    title: str
    lines: list[str] = field(default_factory=list)


def clauses_of(text: str) -> list[dict[str, str]]:
    """The clauses as {number, title, summary}; ``summary`` is the clause's whole text on one line.

    A number counts only where it follows on the one before (1, 1.1, 1.2, 2 …), so that a line that
    happens to begin with "30 days" starts no clause. A text without numbers has no clauses.
    """
    found: list[_Clause] = []
    for line in text.splitlines():
        _take(found, DECORATION.sub("", line))
    return [
        {"number": c.number, "title": c.title, "summary": " ".join(filter(None, c.lines))}
        for c in found
    ]


def _take(found: list[_Clause], line: str) -> None:
    last = found[-1].number if found else ""
    numbered = NUMBERED.match(line)
    if numbered and numbered[1] in _following(last):
        title, rest = _title_of(numbered[2])
        found.append(_Clause(numbered[1], title, [rest]))
        return
    lettered = LETTERED.match(line)
    if lettered and last and lettered[1] == _next_letter(last):
        found.append(_Clause(f"{last.partition('(')[0]}({lettered[1]})", "", [lettered[2]]))
    elif found:
        found[-1].lines.append(line)


def _following(last: str) -> Iterator[str]:
    """The numbers that may come after ``last``: its first part, and the next at every level."""
    if not last:
        yield from ("1", "1.1")
        return
    parts = [int(part) for part in last.partition("(")[0].split(".")]
    yield ".".join(str(part) for part in [*parts, 1])
    for depth in range(len(parts)):
        raised = [*parts[:depth], parts[depth] + 1]
        yield ".".join(str(part) for part in raised)
        yield ".".join(str(part) for part in [*raised, 1])


def _next_letter(last: str) -> str:
    letter = last.partition("(")[2].rstrip(")")
    return chr(ord(letter) + 1) if letter else "a"


def _title_of(text: str) -> tuple[str, str]:
    """A heading and what follows it: "Grant. You may …" is ("Grant", "You may …")."""
    head, stop, rest = text.partition(". ")
    if stop and len(head) <= LONGEST_TITLE:
        return head.strip(), rest.strip()
    plain = text.rstrip(".: ")
    short = len(text) <= LONGEST_TITLE and not text.rstrip().endswith((",", ";"))
    return (plain, "") if short else ("", text)
