"""Letters that look like Latin ones: what NFKC leaves apart although a reader sees the same word.

Two tables. `ALWAYS` maps wherever it occurs (the glyphs have no other use in an English prompt).
`MIXED` holds letters of living scripts whose likeness is weaker; they are mapped only inside a word
that also has Latin letters, so that a Russian or Greek sentence stays one and is routed as such.
"""

# ruff: noqa: RUF001, PLR2004 - the letters that deceive are the subject, with their code points

import unicodedata

_ALWAYS_PAIRS = {
    "a": "аɑαᴀ",
    "b": "ʙЬьƅᏏ",
    "c": "сϲᴄⅽ¢",
    "d": "ԁᴅɗđ",
    "e": "еєҽᴇ℮ɛə",
    "f": "ꜰƒſ",
    "g": "ɡɢց",
    "h": "һհʜ",
    "i": "іıɩɪΙӏ¡ι",
    "j": "јᴊϳ",
    "k": "κкᴋ",
    "l": "ʟⅼӀǀłƖ",
    "m": "мᴍ₥",
    "n": "ոռɴη",
    "o": "оοօᴏσ0̷øѳ",
    "p": "рρᴘ",
    "q": "ԛզ",
    "r": "ʀгᴦ",
    "s": "ѕꜱʂ",
    "t": "тτᴛ†ŧ",
    "u": "υսᴜʋ",
    "v": "ѵνᴠ",
    "w": "ԝᴡωѡա",
    "x": "хχ×",
    "y": "уγʏү¥",
    "z": "ᴢʐ",
    "A": "АΑᎪ",
    "B": "ВΒᏴ",
    "C": "СϹᏟ",
    "D": "Ꭰ",
    "E": "ЕΕᎬ€",
    "F": "Ϝ",
    "G": "ԌᏀ",
    "H": "НΗᎻ",
    "I": "ІΙ",
    "J": "ЈᎫ",
    "K": "КΚᏦK",
    "L": "ᏞԼ",
    "M": "МΜᎷ",
    "N": "Ν",
    "O": "ОΟՕ",
    "P": "РΡᏢ",
    "Q": "Ԛ",
    "R": "ᎡᏒ",
    "S": "ЅᏚՏ",
    "T": "ТΤᎢ",
    "U": "ՍЦ",
    "V": "ѴᏙ",
    "W": "ԜᎳ",
    "X": "ХΧ",
    "Y": "УΥҮ",
    "Z": "ΖᏃ",
}
_MIXED_PAIRS = {
    "a": "дΔΛλ",
    "b": "вβБ",
    "d": "δ",
    "e": "эзξЗЭ",
    "f": "φ",
    "h": "нћђ",
    "i": "їΪϊ!|",
    "n": "пиπИП",
    "r": "яЯГ",
    "s": "ςȿ",
    "u": "цμ",
    "w": "шщψШЩ",
    "y": "чЧ",
    "o": "θФфΘΩ",
    "x": "ж",
}
_BASES = {
    0x1F130: 26,  # squared
    0x1F150: 26,  # negative circled
    0x1F170: 26,  # negative squared
    0x1F1E6: 26,  # regional indicators
}
_FLIPPED = dict(zip("ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz", "abcdefghijklmnopqrstuvwxyz", strict=True))


def _table(pairs: dict[str, str]) -> dict[int, str]:
    table = {}
    for latin, others in pairs.items():
        for char in others:
            if not char.isascii() and not unicodedata.combining(char):
                table[ord(char)] = latin
    return table


ALWAYS = _table(_ALWAYS_PAIRS)
for _first, _count in _BASES.items():
    ALWAYS.update({_first + offset: chr(97 + offset) for offset in range(_count)})
MIXED = _table(_MIXED_PAIRS)
FLIPPED = {ord(char): latin for char, latin in _FLIPPED.items()}
#: Flipped letters that are not plain Latin: their presence shows that a text was turned over.
FLIP_SIGNS = frozenset("ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ")


def is_latin(char: str) -> bool:
    """True for a letter of the Latin script (ASCII, Latin-1, Latin Extended)."""
    code = ord(char)
    return char.isalpha() and (code < 0x250 or 0x1E00 <= code <= 0x1EFF)


def _letters(word: str) -> list[str]:
    return [char for char in word if char.isalpha()]


def _is_alike(word: str) -> bool:
    """True when every letter is Latin or looks it."""
    return all(is_latin(char) or ord(char) in ALWAYS for char in _letters(word))


def _is_foreign(words: list[str]) -> bool:
    """True when the words without a Latin letter hold letters that look like none: real writing."""
    whole = [word for word in words if _letters(word) and not any(map(is_latin, word))]
    strange = sum(1 for word in whole if not _is_alike(word))
    return strange * 3 >= len(whole) and strange > 0


def _word_to_latin(word: str, *, foreign: bool) -> str:
    if word.isascii():
        return word
    if any(map(is_latin, word)):
        return word.translate(ALWAYS).translate(MIXED)
    return word if foreign or not _is_alike(word) else word.translate(ALWAYS)


def to_latin(text: str) -> str:
    """`text` with look-alike letters replaced, word by word; writing in another script is left."""
    if text.isascii():
        return text
    words = text.split(" ")
    foreign = _is_foreign(words)
    return " ".join(_word_to_latin(word, foreign=foreign) for word in words)
