"""A list of English words, in order of frequency: what tells a repaired word from a broken one."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

LONGEST, SHORTEST = 24, 3
#: Letters of a run-together text that are read, and from how many on it counts as a sentence.
READ_LETTERS, SENTENCE = 400, 24
UNKNOWN_COST = 16.0
_SHORT = frozenset(
    [
        "a",
        "i",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "is",
        "it",
        "as",
        "an",
        "or",
        "be",
        "we",
        "he",
        "me",
        "my",
        "no",
        "so",
        "up",
        "us",
        "do",
        "go",
        "if",
        "am",
        "and",
        "the",
        "for",
    ]
)


class Words:
    """Membership, and splitting of run-together words by the cheapest sequence of known ones."""

    def __init__(self, ordered: Sequence[str]) -> None:
        size = max(len(ordered), 1)
        self._cost = {
            word: math.log((rank + 2) * math.log(size + 2)) for rank, word in enumerate(ordered)
        }
        self.split = lru_cache(maxsize=4096)(self._split)

    def __contains__(self, word: str) -> bool:
        return word in self._cost

    def __len__(self) -> int:
        return len(self._cost)

    def coverage(self, tokens: Iterable[str]) -> float:
        """Share of `tokens` that are known words, 0..1; 0 when there are none."""
        known = [token in self._cost for token in tokens]
        return sum(known) / len(known) if known else 0.0

    def _split(self, run: str) -> tuple[str, ...]:
        """`run` as known words, or () when it has no such reading.

        A long run (a whole sentence without spaces) may hold some unknown letters, a name for
        instance. Runs above READ_LETTERS are not read.
        """
        if len(run) > READ_LETTERS:
            return ()
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(run) + 1):
            options = [(best[end - 1][0] + UNKNOWN_COST, end - 1)]
            for start in range(max(0, end - LONGEST), end):
                piece = run[start:end]
                if piece in self._cost and (len(piece) >= SHORTEST or piece in _SHORT):
                    options.append((best[start][0] + self._cost[piece] + 1.0, start))
            best.append(min(options))
        pieces: list[str] = []
        end = len(run)
        while end:
            start = best[end][1]
            pieces.append(run[start:end])
            end = start
        pieces.reverse()
        return self._accepted(pieces, len(run))

    def _accepted(self, pieces: list[str], length: int) -> tuple[str, ...]:
        unknown = sum(1 for piece in pieces if len(piece) == 1 and piece not in {"a", "i"})
        if unknown > (0.25 * length if length >= SENTENCE else 0):
            return ()
        found: list[str] = []
        stray = False
        for piece in pieces:
            lone = len(piece) == 1 and piece not in {"a", "i"}
            if lone and stray:
                found[-1] += piece
            else:
                found.append(piece)
            stray = lone
        return tuple(found)
