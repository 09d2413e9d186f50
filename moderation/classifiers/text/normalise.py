"""Turns a prompt into the views that the heads read.

`plain` is always there: NFKC, look-alike letters, invisible and combining characters, white space.
`decoded` is added when an encoded span reads as text, `repaired` when words that no reader of English
knows become known ones by undoing leet, letter spacing, repeats, reversal or a letter shift. A view
that equals an earlier one is not added, so an ordinary prompt has one view and pays nothing.
"""

# ruff: noqa: RUF001, PLR2004 - look-alike signs; word lengths and shares are said beside them

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from moderation.classifiers.text.confusables import FLIP_SIGNS, FLIPPED, to_latin
from moderation.classifiers.text.decoding import decode_spans
from moderation.classifiers.text.words import Words

#: Characters of a prompt that are read; what lies behind is not, and the gate says so.
READ_LIMIT = 10_000
#: Tokens of a view that are examined for repair.
REPAIR_LIMIT = 2_000

_TOKEN = re.compile(r"\S+")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SPACED = re.compile(r"(?<![\w'])[^\W_]([ .\-_*·•|/,~+])[^\W_](?:\1[^\W_])+(?!\w)")
_SCATTERED = re.compile(r"(?<![\w'])[^\W_](?: ?[.\-_*·•|/,~+] ?[^\W_]| [^\W_]){3,}(?!\w)")
_RUN = re.compile(r"(.)\1{2,}")
_LEET: dict[str, str] = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "gb", "7": "t", "8": "b",
    "9": "g", "@": "a", "$": "s", "!": "i", "|": "il", "+": "t", "€": "e", "(": "c", "#": "h",
    "%": "x", "^": "a", "*": "aeiou", "£": "l",
}  # fmt: skip
_EDGE = ".,;:?\"'`[]{}<>"
_SHAPES = re.compile(r"^[\d.,:/x×-]+(?:[a-z]{1,3})?$")


@dataclass(frozen=True)
class View:
    """One reading of a prompt: its name and its text (lower case)."""

    name: str
    text: str


def _visible(char: str) -> bool:
    """False for format and control characters, fillers, and variation selectors."""
    category = unicodedata.category(char)
    if category in {"Cf", "Cc", "Co", "Cs", "Cn"}:
        return char in "\n\t\r"
    return not (
        0xFE00 <= ord(char) <= 0xFE0F or char in "\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5"
    )


def _without_marks(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    bare = "".join(char for char in parts if unicodedata.category(char) != "Mn")
    return unicodedata.normalize("NFC", bare)


def clean(text: str) -> str:
    """NFKC, invisible characters dropped, look-alikes and marks removed. Keeps case and line ends.

    Idempotent. Reads at most READ_LIMIT characters.
    """
    text = text[:READ_LIMIT]
    if not text.isascii():
        text = "".join(char for char in text if _visible(char))
        text = unicodedata.normalize("NFKC", text)
        if sum(char in FLIP_SIGNS for char in text) >= 3:
            text = text.translate(FLIPPED)[::-1]
        text = _without_marks(to_latin(_without_marks(text)))[:READ_LIMIT]
    return re.sub(r"[^\S\n ]", " ", text).strip()


def for_language(text: str) -> str:
    """`text` with look-alikes and invisible characters undone and accents kept, to tell languages."""
    shown = "".join(char for char in text[:READ_LIMIT] if char.isascii() or _visible(char))
    composed = unicodedata.normalize("NFKC", shown)
    return to_latin("".join(char for char in composed if unicodedata.category(char) != "Mn"))


def letters_of(text: str) -> list[str]:
    """The words of `text` that a word list can know: lower-case Latin runs."""
    return _WORD.findall(text.lower())


def _spellings(token: str) -> list[str]:
    """Readings of a leet token, at most 32."""
    readings = [""]
    for char in token:
        choices = _LEET.get(char, char)
        readings = [reading + choice for reading in readings for choice in choices][:32]
    return readings


def _unleet(token: str, words: Words) -> str:
    if token.isalpha() or not any(char.isalpha() for char in token) or _SHAPES.match(token):
        return ""
    if len(token) > 32 or not any(char in _LEET for char in token):
        return ""
    return next((reading for reading in _spellings(token) if _known(reading, words)), "")


def _known(token: str, words: Words) -> bool:
    return len(token) >= 3 and token in words


def _unrepeat(token: str, words: Words) -> str:
    if not _RUN.search(token):
        return ""
    options = (_RUN.sub(r"\1", token), _RUN.sub(r"\1\1", token))
    return next((option for option in options if _known(option, words)), "")


def _unseparate(token: str, words: Words) -> str:
    """`n.u.d.e`, `nu-de`, `nu_de`: separators inside a word that is known without them."""
    joined = re.sub(r"[^\w]|_", "", token)
    if joined == token or not joined.isalpha():
        return ""
    parts = [part for part in re.split(r"[^a-z]+", token) if part]
    if all(part in words and len(part) > 1 for part in parts):
        return ""
    return joined if _known(joined, words) else " ".join(words.split(joined))


def _unreverse(token: str, words: Words) -> str:
    turned = token[::-1]
    return turned if len(token) >= 4 and turned in words else ""


def _unjoin(token: str, words: Words) -> str:
    if len(token) < 7 or not token.isalpha():
        return ""
    pieces = words.split(token)
    return " ".join(pieces) if 1 < len(pieces) <= max(2, len(token) // 3) else ""


_FIXES: tuple[Callable[[str, Words], str], ...] = (
    _unrepeat,
    _unleet,
    _unseparate,
    _unreverse,
    _unjoin,
)


def _repair_token(token: str, words: Words) -> str:
    core = token.strip(_EDGE)
    if len(core) < 3 or core in words or core.removesuffix("'s") in words:
        return token
    for candidate in dict.fromkeys((core, core.rstrip("!"))):
        for fix in _FIXES:
            fixed = fix(candidate, words)
            if fixed:
                return fixed
    return token


def _join_spaced(match: re.Match[str], words: Words) -> str:
    """`r e d   c a r` -> `red car`; initials (`j.r.r.`) stay."""
    joined = match.group().replace(match.group(1), "")
    if joined in words:
        return joined
    if len(joined) <= len("abc"):
        return match.group()
    return " ".join(words.split(joined)) or joined


def _join_scattered(match: re.Match[str], words: Words) -> str:
    """`k. i. l. l.` and `n a.k e.d`, whatever stands between: joined where that gives known words."""
    joined = "".join(char for char in match.group() if char.isalnum())
    return joined if joined in words else " ".join(words.split(joined)) or match.group()


def _join_fragments(tokens: list[str], words: Words) -> list[str]:
    """Joins neighbours when one of them is no word and both together are (`wo men`, `k ill`)."""
    out: list[str] = []
    for token in tokens:
        last = out[-1] if out else ""
        odd = (last and not _word_like(last, words)) or not _word_like(token, words)
        if odd and last.isalpha() and len(last + token) >= 4 and (last + token) in words:
            out[-1] = last + token
        else:
            out.append(token)
    return out


def _word_like(token: str, words: Words) -> bool:
    core = token.strip(_EDGE)
    return core in {"a", "i"} or (len(core) > 1 and core in words) or not core.isalpha()


def _shift(text: str, step: int) -> str:
    return "".join(
        chr((ord(char) - 97 + step) % 26 + 97) if "a" <= char <= "z" else char for char in text
    )


def _mirror(text: str) -> str:
    return "".join(chr(219 - ord(char)) if "a" <= char <= "z" else char for char in text)


def _unshift(text: str, words: Words) -> str:
    """Undoes a Caesar shift, Atbash or reversal of the whole text when that makes it English."""
    tokens = letters_of(text)[:200]
    if len(tokens) < 2 or words.coverage(tokens) > 0.5:
        return text
    turned = (*(_shift(text, step) for step in range(1, 26)), _mirror(text), text[::-1])
    options = [(words.coverage(letters_of(option)[:200]), option) for option in turned]
    share, best = max(options, key=lambda option: option[0])
    return best if share >= max(0.6, words.coverage(tokens) + 0.3) else text


def repair(text: str, words: Words) -> str:
    """`text` with broken words mended. Returns it unchanged when every word is known."""
    spaced = _SPACED.sub(lambda match: _join_spaced(match, words), text)
    spaced = _SCATTERED.sub(lambda match: _join_scattered(match, words), spaced)
    joined = _unshift(spaced, words)
    tokens = [_repair_token(token, words) for token in _TOKEN.findall(joined)[:REPAIR_LIMIT]]
    return " ".join(_join_fragments(tokens, words))


def views_of(text: str, words: Words) -> tuple[View, ...]:
    """The views of `text`, `plain` first; 1 for an ordinary prompt, at most 4."""
    cleaned = clean(text)
    plain = re.sub(r"\s+", " ", cleaned).lower()
    decoded = re.sub(r"\s+", " ", clean(decode_spans(cleaned))).lower()
    found = [View("plain", plain)]
    if decoded != plain:
        found.append(View("decoded", decoded))
    for source in (cleaned.lower(), decoded) if decoded != plain else (cleaned.lower(),):
        mended = repair(source, words)
        if all(mended != " ".join(view.text.split()) for view in found):
            found.append(View("repaired", mended))
    return tuple(found)
