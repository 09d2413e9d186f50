"""What must never stand in a log is taken out of a text: credentials, prompts, people's addresses.

Three ways, one behind the other: the known values of this installation's secrets, the texts that the
present request conceals, and the shapes that secrets have. It rather takes out too much.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from math import isfinite
from urllib.parse import quote

GONE = "[redacted]"
# Shorter secrets would take ordinary words with them; they are found by their shape alone.
SHORTEST_SECRET = 8
# A run of a concealed text that is as long as this is taken out, however it was cut or quoted.
RUN = 12
DEEPEST = 6

# Names whose value is taken out whole, in structured facts and in what looks like ``name=value``.
SHORT_NAMES = (
    "password|passwd|pwd|secret|token|api_?key|api-key|pepper|credential|private_?key|signature|"
    "session_?id|session_?key|csrftoken|csrfmiddlewaretoken|x-csrftoken"
)
# Their values may hold spaces: without quotes everything to the end of the line goes.
LONG_NAMES = (
    "prompt|negative_prompt|expanded_prompt|revised_prompt|raw_prompt|caption|client_user|end_user|"
    "e?-?mail|authorization|proxy-authorization|cookie|set-cookie|stripe-signature"
)
# Some part of each of these names, in small letters.
SHORT_HINTS = ("pass", "pwd", "secret", "token", "api", "pepper", "credential", "private", "signature",
               "session", "csrf")  # fmt: skip
LONG_HINTS = (
    "prompt",
    "caption",
    "client_user",
    "end_user",
    "mail",
    "authorization",
    "cookie",
    "signature",
)
NAMED = re.compile(rf"(?:.*[_.-])?(?:{SHORT_NAMES}|{LONG_NAMES})", re.IGNORECASE)
QUOTED = r"b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.|[^'\\])*'"

# Shapes of secrets. Each is looked for only where one of its hints stands in the text, in small letters:
# most lines have none of them.
SHAPES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("private key",),
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        GONE,
    ),
    # PostgreSQL shows the row that it refuses.
    (
        ("failing row",),
        r"(?s)(Failing row contains \().*?(?=\n\n(?:The above|During)|\Z)",
        rf"\1{GONE}",
    ),
    (("detail:",), r"(DETAIL:\s+Key \([^)]*\)=\().*", rf"\1{GONE}"),
    (("://",), r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s\"'<>]*@", rf"\1{GONE}@"),
    (
        ("_live_", "_test_", "lct_scim_"),
        r"lct_scim_[\w-]+|[a-z]{2,4}_(?:live|test)_[0-9A-Za-z]+",
        GONE,
    ),
    (("_secret_",), r"\w+_secret_\w+", GONE),
    (
        ("whsec_", "sk-", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "hf_"),
        r"whsec_[\w+/=-]+|\bsk-[\w-]{8,}|\b(?:gh[opusr]|hf)_\w{16,}",
        GONE,
    ),
    (("eyj",), r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)*", GONE),
    (("bearer", "basic"), r"(?i)\b(bearer|basic)(\s+|%20)[^\s\"',;]+", rf"\1\2{GONE}"),
    (
        LONG_HINTS,
        (
            rf"(?i)((?<![\w-])(?:[\w.-]*[_.-])?(?:{LONG_NAMES})[\"']?\s*(?:[=:]|,(?=\s*b?[\"']))\s*)"
            rf"(?:{QUOTED}|[^\n]+)"
        ),
        rf"\1{GONE}",
    ),
    (
        SHORT_HINTS,
        (
            rf"(?i)((?<![\w-])(?:[\w.-]*[_.-])?(?:{SHORT_NAMES})\\*[\"']?\s*[=:]\s*)"
            rf"(?:{QUOTED}|[^\s,;&)\]}}]+)"
        ),
        rf"\1{GONE}",
    ),
    # Whoever holds these addresses is let in.
    (
        ("images/content/", "login/", "invitations/", "auditor/", "reset/key/", "confirm-email/"),
        (
            r"(/(?:images/content|login|login/code|invitations|auditor|password/reset/key|"
            r"confirm-email)/)[^\s/?#\"'<>]+"
        ),
        rf"\1{GONE}",
    ),
    (
        ("=",),
        (
            r"(?i)([?&](?:[\w.-]*(?:sig|signature|token|key|code|secret|state|credential|nonce|"
            r"samlresponse|samlrequest|ticket))=)[^&\s\"'<>]*"
        ),
        rf"\1{GONE}",
    ),
    # Django's time-stamped signatures: without this part the rest opens nothing.
    ((":", "%3"), r"(?::|%3[Aa])[0-9A-Za-z]{6}(?::|%3[Aa])[\w-]{43}", GONE),
    (("v1=", "v0="), r"\bv[01]=[0-9a-f]{64}", GONE),
    (
        ("@", "%40"),
        (
            r"[^\s@<>\"(),:;\[\]\\]{1,64}(?:@|%40)(?:localhost\b|[^\s@<>\"'(),:;\[\]\\.]+"
            r"(?:\.[^\s@<>\"'(),:;\[\]\\.]+)+)"
        ),
        GONE,
    ),
)
RULES = tuple((hints, re.compile(pattern), gone) for hints, pattern, gone in SHAPES)
# Long words without a name: tokens of links, session and CSRF values. Digests and ids are hexadecimal
# and stay.
LONG_WORD = re.compile(r"[\w-]{32,}")
LINK_TOKEN = re.compile(r"(?=[\w-]*[A-Z])(?=[\w-]*[0-9])[\w-]{43}")
SESSION = re.compile(
    r"(?<![0-9A-Za-z])(?:(?=[0-9a-f]*[g-z])[0-9a-z]{32}"
    r"|(?=[A-Za-z]*[0-9])(?=[0-9a-f]*[A-Zg-z])(?:[0-9A-Za-z]{32}){1,2})(?![0-9A-Za-z])"
)
# What logs are full of, and what holds nothing.
PLAIN = re.compile(r"(?:req_)?[0-9a-f-]{1,64}|[a-z ]{0,11}")


class Redactor:
    """Takes out of texts and facts what nobody may read in a log. ``secrets``: this installation's."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
        long = sorted((each for each in known if len(each) >= SHORTEST_SECRET), key=len)
        self._known = re.compile("|".join(map(re.escape, reversed(long)))) if long else None

    def text(self, text: str, concealed: Iterable[str] = ()) -> str:
        """``text`` without secrets, and without any run of RUN characters of the ``concealed`` texts."""
        if self._known is not None:
            text = self._known.sub(GONE, text)
        if PLAIN.fullmatch(text) and not concealed:
            return text
        for each in concealed:
            text = without_runs(text, each)
        small = text.lower()
        for hints, pattern, replacement in RULES:
            if any(hint in small for hint in hints):
                text = pattern.sub(replacement, text)
        return LONG_WORD.sub(without_token, text)

    def fact(self, name: str, value: object, concealed: Iterable[str] = ()) -> object:
        """``value`` of a structured fact as plain JSON; one whose name tells a secret goes whole."""
        return self._fact(name, value, tuple(concealed), DEEPEST)

    def _fact(self, name: str, value: object, hidden: tuple[str, ...], depth: int) -> object:
        if NAMED.fullmatch(name):
            return GONE
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float) and isfinite(value):
            return value
        if is_dataclass(value) and not isinstance(value, type):
            value = vars(value)
        if depth and isinstance(value, Mapping):
            return {
                self.text(str(key), hidden): self._fact(str(key), inner, hidden, depth - 1)
                for key, inner in value.items()
            }
        if depth and isinstance(value, list | tuple | set | frozenset):
            return [self._fact("", inner, hidden, depth - 1) for inner in value]
        return self.text(str(value), hidden)


def without_token(word: re.Match[str]) -> str:
    """A long word without what looks like a token."""
    return GONE if LINK_TOKEN.fullmatch(word[0]) else SESSION.sub(GONE, word[0])


def without_runs(text: str, concealed: str) -> str:
    """``text`` without the runs of at least RUN characters that it has in common with ``concealed``.

    A shorter concealed text is taken out where it stands as words of its own.
    """
    short, runs = marks_of(concealed)
    if short is not None:
        text = short.sub(GONE, text)
    return cut(text, runs) if runs else text


@lru_cache(maxsize=32)
def marks_of(concealed: str) -> tuple[re.Pattern[str] | None, frozenset[str]]:
    """By what a concealed text is found: short forms as words, of long ones every run."""
    forms = {form for form in written(concealed) if form.strip()}
    short = [re.escape(form) for form in forms if len(form) < RUN]
    runs = (form[start : start + RUN] for form in forms for start in range(len(form) - RUN + 1))
    words = re.compile(rf"(?<!\w)(?:{'|'.join(short)})(?!\w)") if short else None
    return words, frozenset(runs)


def written(text: str) -> set[str]:
    """The ways in which a text is written inside others: as it is, quoted by Python, as JSON."""
    return {
        text,
        repr(text)[1:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }


def cut(text: str, runs: frozenset[str]) -> str:
    """``text`` with every stretch that ``runs`` cover replaced."""
    starts = [at for at in range(len(text) - RUN + 1) if text[at : at + RUN] in runs]
    kept: list[str] = []
    covered = 0
    for start in starts:
        if start > covered or not kept:
            kept += [text[covered:start], GONE]
        covered = start + RUN
    return "".join([*kept, text[covered:]])
