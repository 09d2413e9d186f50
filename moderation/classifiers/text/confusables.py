"""Letters that look like Latin ones: what NFKC leaves apart although a reader sees the same word.

Two tables. `ALWAYS` maps wherever it occurs (the glyphs have no other use in an English prompt).
`MIXED` holds letters of living scripts whose likeness is weaker; they are mapped only inside a word
that also has Latin letters, so that a Russian or Greek sentence stays one and is routed as such.
"""

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


def _word_to_latin(word: str) -> str:
    if word.isascii():
        return word
    letters = [char for char in word if char.isalpha()]
    alike = sum(1 for char in letters if is_latin(char) or ord(char) in ALWAYS)
    if not letters or alike * 2 < len(letters):
        return word
    mapped = word.translate(ALWAYS)
    if any(is_latin(char) for char in word) or alike == len(letters):
        mapped = mapped.translate(MIXED)
    return mapped


def to_latin(text: str) -> str:
    """`text` with look-alike letters replaced, word by word; whole foreign words are left alone."""
    if text.isascii():
        return text
    return " ".join(_word_to_latin(word) for word in text.split(" "))
