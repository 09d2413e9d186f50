"""Inputs made from good ones: bytes turned, cut, doubled and spliced; JSON values exchanged."""

import json
import random
from collections.abc import Callable, Sequence

EDGES = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
WORDS = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xc2\xb2", b"%00", b"%s%n", b"../../../etc/passwd",
    b"\r\nX-Injected: 1", b"{{7*7}}", b"{% debug %}", b"${7*7}", b"' OR 1=1 --", b"-1", b"1e999",
    b"9" * 5000, b"NaN", b"Infinity", b"\\ud800", b"\\u0000", b"[" * 5000, b'{"a":' * 3000,
    b"(" * 2000, b"http://169.254.169.254/", b"file:///etc/passwd", b"\xf0\x9f\x92\xa9" * 40,
)  # fmt: skip
NASTY = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 0.5, -0.0, 1e308, float("inf"),
    float("nan"), "", " ", "\x00", "\ud800", "\u202e", "a" * 300, "9" * 5000, "é" * 40, "../..",
    "\r\nX: 1", "{{7*7}}", "=1+1", "²", "https://[::1", [], {}, [[]], [None], [{}], {"": None},
    {"a": {"b": []}}, ["x"] * 200,
)  # fmt: skip
MOST_STEPS = 6
Step = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def mutated(
    source: random.Random, seeds: Sequence[bytes], words: Sequence[bytes], form: str, largest: int
) -> bytes:
    """The next input: a seed, changed in one to six places. The same ``source`` gives the same."""
    data = source.choice(seeds)
    if form == "json" and source.random() < 0.7:
        return changed_json(source, data)[:largest]
    work = bytearray(data)
    for _ in range(source.randint(1, MOST_STEPS)):
        source.choice(STEPS)(source, work, seeds, words)
    return bytes(work[:largest])


def place(source: random.Random, work: bytearray) -> int:
    return source.randint(0, len(work))


def turn_bit(source: random.Random, work: bytearray, _s: object, _w: object) -> None:
    if work:
        work[source.randrange(len(work))] ^= 1 << source.randrange(8)


def set_byte(source: random.Random, work: bytearray, _s: object, _w: object) -> None:
    if work:
        work[source.randrange(len(work))] = source.randrange(256)


def set_number(source: random.Random, work: bytearray, _s: object, _w: object) -> None:
    """An edge of an integer type, in either order of bytes, over what stands there."""
    width = source.choice((1, 2, 4, 8))
    at = place(source, work)
    number = source.choice(EDGES) % (1 << 8 * width)
    work[at : at + width] = number.to_bytes(width, source.choice(("big", "little")))


def cut(source: random.Random, work: bytearray, _s: object, _w: object) -> None:
    first, last = sorted((place(source, work), place(source, work)))
    del work[first : min(last, first + source.choice((1, 8, 64, 4096)))]


def end_early(source: random.Random, work: bytearray, _s: object, _w: object) -> None:
    del work[place(source, work) :]


def double(source: random.Random, work: bytearray, _s: object, _w: object) -> None:
    """A part again, perhaps many times: what is quadratic shows itself."""
    first = place(source, work)
    part = bytes(work[first : first + source.choice((1, 4, 32, 256))])
    work[first:first] = part * source.choice((1, 2, 16, 200))


def insert_word(source: random.Random, work: bytearray, _s: object, words: Sequence[bytes]) -> None:
    at = place(source, work)
    word = source.choice((*words, *WORDS))
    work[at : at + source.choice((0, 0, len(word)))] = word


def splice(source: random.Random, work: bytearray, seeds: Sequence[bytes], _w: object) -> None:
    other = source.choice(seeds)
    work[place(source, work) :] = other[source.randint(0, len(other)) :]


STEPS: tuple[Step, ...] = (
    turn_bit, set_byte, set_number, cut, end_early, double, insert_word, splice,
)  # fmt: skip


def changed_json(source: random.Random, data: bytes) -> bytes:
    """JSON with one to six values exchanged, keys taken away or doubled; else the seed with a scar."""
    try:
        value = json.loads(data)
    except ValueError:
        return data[: source.randint(0, len(data))]
    for _ in range(source.randint(1, MOST_STEPS)):
        value = exchanged(source, value)
    return json.dumps(value, ensure_ascii=source.random() < 0.9).encode("utf-8", "surrogatepass")


def exchanged(source: random.Random, value: object) -> object:
    """``value`` with one place in it changed."""
    if isinstance(value, dict) and value and source.random() < 0.9:
        key = source.choice(sorted(value, key=str))
        kept = {name: each for name, each in value.items() if name != key}
        chance = source.random()
        if chance < 0.1:
            return kept
        if chance < 0.2:
            return {**kept, source.choice(("", "\x00", "a" * 300, str(key).upper())): value[key]}
        return {**value, key: exchanged(source, value[key])}
    if isinstance(value, list) and value and source.random() < 0.8:
        at = source.randrange(len(value))
        if source.random() < 0.15:
            return value * 2 if len(value) < 200 else value[:at]
        return [*value[:at], exchanged(source, value[at]), *value[at + 1 :]]
    return source.choice(NASTY)
