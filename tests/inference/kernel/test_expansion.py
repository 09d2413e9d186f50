"""The small expander: it adds what the prompt leaves open and takes nothing away."""

from hypothesis import given
from hypothesis import strategies as st

from inference.kernel.expansion import WORD, expanded, joined


@given(st.text(max_size=400))
def test_every_word_of_the_prompt_is_kept_in_its_place(prompt: str) -> None:
    revised = expanded(prompt)

    assert revised.startswith(prompt.rstrip())
    assert WORD.findall(revised)[: len(WORD.findall(prompt))] == WORD.findall(prompt)


@given(st.text(max_size=400), st.text(max_size=2000))
def test_whatever_a_model_writes_stands_behind_the_prompt(prompt: str, written: str) -> None:
    revised = joined(prompt, written)

    assert revised.startswith(prompt.rstrip())
    assert len(revised) <= len(prompt) + 602


@given(st.text(max_size=100))
def test_the_same_prompt_becomes_the_same_text(prompt: str) -> None:
    assert expanded(prompt) == expanded(prompt)


def test_names_light_place_and_making_where_the_prompt_does_not() -> None:
    assert expanded("a lighthouse").count(",") >= 3


def test_adds_nothing_to_a_prompt_that_names_them_all() -> None:
    prompt = "a wide watercolor of a lighthouse at dawn"

    assert expanded(prompt) == prompt


def test_adds_no_light_to_a_picture_at_night() -> None:
    assert "light" not in expanded("a lighthouse at night").removeprefix("a lighthouse at night")


def test_goes_on_after_a_full_stop_without_a_comma() -> None:
    assert joined("A lighthouse.", "soft light") == "A lighthouse. soft light"
