"""Which language a prompt is in, as far as the gate needs to know: can the heads read it?

The answer is a BCP 47 tag: `en` (read), `zxx` (no words: symbols, numbers), `und-<Script>` for
writing the heads never saw, a language tag for a recognised Latin-script language, `und` for Latin
letters that are no language the gate knows. Everything but `en` and `zxx` is routed to review.
"""

# ruff: noqa: RUF001, PLR2004 - words of other languages; lengths and shares are said beside them

import re
import unicodedata

from moderation.classifiers.text.words import Words

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
READ = frozenset({"en", "zxx"})
UNKNOWN = "und"

_SCRIPTS = {
    "CYRILLIC": "und-Cyrl", "GREEK": "und-Grek", "ARABIC": "und-Arab", "HEBREW": "und-Hebr",
    "CJK": "und-Hani", "HIRAGANA": "und-Jpan", "KATAKANA": "und-Jpan", "HANGUL": "und-Hang",
    "DEVANAGARI": "und-Deva", "THAI": "und-Thai", "BENGALI": "und-Beng", "TAMIL": "und-Taml",
    "ARMENIAN": "und-Armn", "GEORGIAN": "und-Geor", "ETHIOPIC": "und-Ethi",
}  # fmt: skip

#: Frequent words of languages in Latin script that are not English words.
_FREQUENT = {
    "de": "der das und ist nicht ein eine einen einem einer mit auf für von dem den des im sich auch "
    "wie ich du wir sie frau mann mädchen junge kind nackt nackte nackter blut töten waffe bild",
    "fr": "le les des un une est dans pour avec sur qui que pas elle il du au aux ce cette son ses une "
    "et femme homme fille garçon enfant nue nu sang tuer arme photo réaliste jeune sans leur",
    "es": "el los las una uno es en con para por que del al su sus como está y mujer hombre niña "
    "niño desnuda desnudo sangre matar arma foto joven chica chico sin sobre muy",
    "pt": "o os um uma é em com para por que do da dos das no na nos nas se não mulher homem menina "
    "menino nua nu sangue matar arma foto jovem garota sem sobre muito seu sua",
    "it": "il lo gli un una è di che con per del della dei delle nel nella sono non si donna uomo "
    "ragazza ragazzo bambina bambino nuda nudo sangue uccidere arma foto giovane senza",
    "nl": "de het een van en met op voor niet zijn is naar aan uit door vrouw man meisje jongen kind "
    "naakt naakte bloed doden wapen foto jonge zonder hun",
    "pl": "i w na z do nie się jest to jak dla przez kobieta mężczyzna dziewczyna chłopiec dziecko "
    "naga nagi krew zabić broń zdjęcie młoda bez",
    "tr": "ve bir bu da de ile için çok gibi olan kadın adam kız erkek çocuk çıplak kan öldürmek "
    "silah fotoğraf genç üzerinde",
    "sv": "och en ett att det som på är av för med den till inte kvinna man flicka pojke barn naken "
    "nakna blod döda vapen foto ung utan",
    "da": "og en et at det som på er af for med den til ikke kvinde mand pige dreng barn nøgen blod "
    "dræbe våben foto ung uden",
    "fi": "ja on ei se että kuin nainen mies tyttö poika lapsi alaston veri tappaa ase kuva nuori",
    "cs": "a je v na se z do že pro jako žena muž dívka chlapec dítě nahá nahý krev zabít zbraň foto",
    "ro": "și o un este cu pe la din pentru nu femeie bărbat fată băiat copil goală sânge armă foto",
    "hu": "a az és egy hogy nem van nő férfi lány fiú gyerek meztelen vér fegyver kép fiatal",
    "id": "yang dan di dengan untuk dari ini itu seorang sebuah wanita pria perempuan gadis anak "
    "laki telanjang darah membunuh senjata gambar muda tanpa",
    "vi": "và của là một cho không có được người phụ nữ đàn ông cô gái trẻ em khỏa thân máu súng",
    "tl": "ang ng mga sa na ay at isang babae lalaki bata hubad dugo patayin baril larawan",
    "sw": "na ya wa ni kwa katika mwanamke mwanaume mtoto uchi damu silaha picha",
}  # fmt: skip
_ENGLISH = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "and",
        "in",
        "on",
        "with",
        "is",
        "are",
        "to",
        "at",
        "for",
        "by",
        "from",
        "his",
        "her",
        "their",
        "its",
        "that",
        "this",
        "as",
        "two",
        "three",
        "near",
        "under",
        "over",
        "into",
        "out",
        "up",
        "down",
        "one",
        "some",
        "who",
        "which",
        "it",
        "he",
        "she",
        "they",
        "i",
        "you",
        "be",
        "not",
        "no",
    ]
)


def _script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ", 1)[0]
    return "LATIN" if name in {"LATIN", "FULLWIDTH", "MODIFIER"} else name


def _other_script(words: list[str]) -> str | None:
    """Tag of the writing that fills a quarter of the letters or eight of them, if any."""
    counts: dict[str, int] = {}
    total = 0
    for word in words:
        for char in word:
            total += 1
            if not char.isascii():
                script = _script(char)
                if script != "LATIN":
                    counts[script] = counts.get(script, 0) + 1
    if not counts:
        return None
    script, most = max(counts.items(), key=lambda pair: pair[1])
    heavy = 3 if script in {"CJK", "HIRAGANA", "KATAKANA", "HANGUL"} else 8
    if most >= heavy or sum(counts.values()) * 4 >= total:
        return _SCRIPTS.get(script, "und-Zyyy")
    return None


class LanguageCheck:
    """Recognises English by its words, and other languages by theirs."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._tables = {tag: frozenset(text.split()) for tag, text in _FREQUENT.items()}

    def tag(self, text: str) -> str:
        """The language tag of a text (look-alike letters mapped, accents kept)."""
        found = _WORD.findall(text[:4000])
        if not found:
            return "zxx"
        other = _other_script(found)
        if other:
            return other
        lower = [word.lower().replace("’", "'") for word in found[:400]]
        return self._latin(lower)

    def _latin(self, lower: list[str]) -> str:
        english = sum(1 for word in lower if word in _ENGLISH)
        known = sum(1 for word in lower if self._known(word))
        hits = {
            tag: sum(1 for word in lower if word in table) for tag, table in self._tables.items()
        }
        tag, most = max(hits.items(), key=lambda pair: pair[1])
        share = known / len(lower)
        if most >= 2 and most > english and most / len(lower) > 0.15 and share < 0.85:
            return tag
        # Half the words of a Romance prompt are English words too: three of its own settle it.
        if most >= 3 and not english and most / len(lower) > 0.33:
            return tag
        if len(lower) >= 4 and share < 0.4 and english * 10 < len(lower):
            return tag if most else UNKNOWN
        accented = sum(1 for word in lower if not word.isascii())
        if len(lower) >= 3 and not english and share < (0.6 if accented else 0.34):
            return tag if most else UNKNOWN
        return "en"

    def _known(self, word: str) -> bool:
        if not word.isascii():
            parts = unicodedata.normalize("NFD", word)
            word = "".join(char for char in parts if unicodedata.category(char) != "Mn")
        return word in self._words or word.removesuffix("'s") in self._words
