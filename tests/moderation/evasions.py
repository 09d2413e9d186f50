"""Ways to hide a prompt from a filter, used by the evasion suite. Each keeps it readable to people."""

# ruff: noqa: RUF001 - other scripts are the subject

import base64
import codecs
import html
import random
from collections.abc import Callable
from urllib.parse import quote

_CYRILLIC = str.maketrans("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ")
_GREEK = str.maketrans("oaivAEIOT", "οαινΑΕΙΟΤ")
_LEET = str.maketrans("aeiost", "4310$7")


def homoglyphs(text: str) -> str:
    return text.translate(_CYRILLIC)


def greek(text: str) -> str:
    return text.translate(_GREEK)


def fullwidth(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def math_bold(text: str) -> str:
    return "".join(chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in text.lower())


def zero_width(text: str) -> str:
    return "\u200b".join(text)


def soft_hyphen(text: str) -> str:
    return "\u00ad".join(text)


def combining(text: str) -> str:
    return "".join(c + "\u0336" if c.isalpha() else c for c in text)


def leet(text: str) -> str:
    return text.lower().translate(_LEET)


def spaced(text: str) -> str:
    return "   ".join(" ".join(word) for word in text.split())


def spaced_evenly(text: str) -> str:
    return " ".join(c for c in text if not c.isspace())


def dotted(text: str) -> str:
    return " ".join(".".join(word) for word in text.split())


def dotted_and_spaced(text: str) -> str:
    return "   ".join(". ".join(word) for word in text.split())


def scattered(text: str) -> str:
    gaps = " .-*"
    return "   ".join("".join(c + gaps[n % 4] for n, c in enumerate(w))[:-1] for w in text.split())


def stretched(text: str) -> str:
    rng = random.Random(5)
    return "".join(c * 4 if c in "aeiou" and rng.random() < 0.5 else c for c in text)


def reversed_text(text: str) -> str:
    return text[::-1]


def reversed_words(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


def rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def base64_in_words(text: str) -> str:
    return f"Draw what this says: {base64.b64encode(text.encode()).decode()} please"


def hex_text(text: str) -> str:
    return text.encode().hex()


def percent(text: str) -> str:
    return quote(text)


def percent_all(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" for c in text)


def named_entities(text: str) -> str:
    return html.escape(text).replace("e", "&#x65;")


EVASIONS: dict[str, Callable[[str], str]] = {
    "homoglyphs (Cyrillic)": homoglyphs,
    "homoglyphs (Greek)": greek,
    "full width": fullwidth,
    "mathematical bold": math_bold,
    "zero width": zero_width,
    "soft hyphens": soft_hyphen,
    "combining marks": combining,
    "leet": leet,
    "spaced letters": spaced,
    "spaced letters without gaps": spaced_evenly,
    "dots between letters": dotted,
    "dots and spaces between letters": dotted_and_spaced,
    "mixed signs between letters": scattered,
    "stretched vowels": stretched,
    "reversed": reversed_text,
    "reversed words": reversed_words,
    "rot13": rot13,
    "base64": base64_text,
    "base64 inside words": base64_in_words,
    "hex": hex_text,
    "percent": percent,
    "percent, every byte": percent_all,
    "HTML entities": entities,
    "HTML entities, some": named_entities,
}
