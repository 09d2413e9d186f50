"""What the heads read: the same words however they are dressed up, and bounded work on any input."""

# ruff: noqa: RUF001 - other scripts are the subject

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.classifiers.text.confusables import ALWAYS, to_latin
from moderation.classifiers.text.decoding import decode_spans
from moderation.classifiers.text.gate import windows_of
from moderation.classifiers.text.normalise import READ_LIMIT, clean, repair, views_of
from moderation.classifiers.text.weights import FOLDER, read_heads
from moderation.classifiers.text.wordpiece import WordPiece
from moderation.classifiers.text.words import Words
from tests.moderation.evasions import EVASIONS

WORDS = read_heads(FOLDER).words
HARMLESS = "a yellow kitchen table beside the window with seven green apples and some bread"


@pytest.mark.parametrize("name", EVASIONS)
def test_a_view_reads_the_words_again(name):
    hidden = EVASIONS[name](HARMLESS)

    views = views_of(hidden, WORDS)

    wanted = set(HARMLESS.split())
    best = max(len(wanted & set(re.findall(r"[a-z]+", view.text))) for view in views)
    assert best >= 0.85 * len(wanted), [view.text for view in views]


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more(text):
    once = clean(text)

    assert clean(once) == once


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300))
def test_every_text_has_a_plain_view_first_and_at_most_four(text):
    views = views_of(text, WORDS)

    assert views[0].name == "plain"
    assert 1 <= len(views) <= 4
    assert len({view.text for view in views}) == len(views)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(HARMLESS.split()[1:]), min_size=1, max_size=30))
def test_a_prompt_of_known_words_has_one_view(words):
    views = views_of(" ".join(words), WORDS)

    assert [view.name for view in views] == ["plain"]


@settings(max_examples=40, deadline=None)
@given(
    st.text(alphabet=[chr(code) for code in ALWAYS if chr(code).isalpha()], min_size=1, max_size=20)
)
def test_letters_that_only_look_latin_become_latin(word):
    assert to_latin(word).isascii()


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", max_size=3000))
def test_windows_cover_every_word_in_order(text):
    text = " ".join(text.split())

    windows = windows_of(text)

    assert {word for window in windows for word in window.split()} == set(text.split())
    assert len(windows) <= 1 + len(text.split())


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_word_pieces_stay_within_the_limit(text):
    pieces = WordPiece(["[UNK]", "[CLS]", "[SEP]", "a", "##b", "c"])

    numbers = pieces.encode(text, 16)

    assert len(numbers) <= 16
    assert numbers[0] == 1
    assert numbers[-1] == 2


def test_a_russian_sentence_stays_russian():
    assert any("а" <= char <= "я" for char in clean("красивая женщина гуляет по городу"))


def test_names_and_numbers_are_left_alone():
    for text in ("a 35mm photo, f/1.8, 4k", "J.R.R. Tolkien in the 1920s", "R2-D2 and C-3PO, 3D"):
        assert repair(text.lower(), WORDS) == text.lower()


def test_random_base64_that_is_no_text_stays_as_it_is():
    token = "q83vEjRWeJCrze8SNFZ4kA=="

    assert decode_spans(token) == token


def test_a_huge_text_is_cut_and_costs_little():
    huge = "a.b.c " * 40_000

    views = views_of(huge, WORDS)

    assert all(len(view.text) <= 2 * READ_LIMIT for view in views)


def test_splitting_knows_only_known_words():
    words = Words(["red", "apple", "tree"])

    assert words.split("redappletree") == ("red", "apple", "tree")
    assert words.split("redqqq") == ()
