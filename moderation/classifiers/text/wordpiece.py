"""WordPiece tokens of a cleaned, lower-case text, by the greedy longest match of BERT."""

import re
from collections.abc import Sequence
from functools import lru_cache

_PIECE = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")
UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
LONGEST_WORD = 60


class WordPiece:
    """Token numbers of texts under a fixed vocabulary (whole words and `##` continuations)."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {token: number for number, token in enumerate(vocabulary)}
        self._unknown = self._numbers[UNKNOWN]
        self._start = self._numbers[START]
        self._end = self._numbers[END]
        self._of_word = lru_cache(maxsize=20_000)(self._split)

    def encode(self, text: str, limit: int) -> list[int]:
        """`[CLS] ... [SEP]`, at most `limit` numbers."""
        numbers = [self._start]
        for word in _PIECE.findall(text.lower()):
            numbers.extend(self._of_word(word))
            if len(numbers) >= limit:
                break
        return [*numbers[: limit - 1], self._end]

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        found: list[int] = []
        at = 0
        while at < len(word):
            prefix = "##" if at else ""
            end = len(word)
            while end > at and prefix + word[at:end] not in self._numbers:
                end -= 1
            if end == at:
                return (self._unknown,)
            found.append(self._numbers[prefix + word[at:end]])
            at = end
        return tuple(found)
