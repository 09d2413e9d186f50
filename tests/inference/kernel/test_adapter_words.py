"""What an adapter says of itself, as the trainers in circulation write it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from inference.kernel.adapter_words import MOST_CHARS, words_of


def test_name_and_trigger_come_first() -> None:
    assert words_of("Aurora look", "in aurora style", {}) == "Aurora look. in aurora style"


def test_kohyas_tags_are_read_most_frequent_first_over_all_folders() -> None:
    metadata = {
        "ss_tag_frequency": json.dumps(
            {"10_cats": {"cat": 3, "sofa": 9}, "5_dogs": {"dog": 4, "cat": 8}}
        ),
        "ss_dataset_dirs": json.dumps({"10_cats": {"n_repeats": 10}, "5_old_dogs": {}}),
        "ss_output_name": "pets_v2",
        "ss_learning_rate": "0.0001",
    }

    assert words_of(
        "Pets", "", metadata
    ) == "Pets. pets_v2.  cats.  old dogs. cat, sofa, dog".replace("  ", " ")


def test_the_modelspec_standard_is_read() -> None:
    metadata = {"modelspec.title": "A look", "modelspec.description": "Soft light"}

    assert words_of("x", "", metadata) == "x. A look. Soft light"


def test_metadata_that_is_no_json_is_read_as_it_is() -> None:
    assert words_of("x", "", {"ss_tag_frequency": "cat, sofa"}) == "x. cat, sofa"


def test_a_rare_tag_does_not_push_out_a_frequent_one() -> None:
    tags = {f"filler {n}": 1 for n in range(5000)} | {"the subject": 9000}

    said = words_of("x", "", {"ss_tag_frequency": json.dumps({"1_x": tags})})

    assert said.startswith("x. the subject, ")
    assert len(said) == MOST_CHARS


@given(
    st.text(max_size=50), st.dictionaries(st.sampled_from(["ss_tag_frequency", "tags"]), st.text())
)
def test_any_metadata_gives_a_text_without_nul(name: str, metadata: dict[str, str]) -> None:
    said = words_of(name, "", metadata)

    assert "\0" not in said
    assert len(said) <= MOST_CHARS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_as_tag_frequencies_is_survived(value: object) -> None:
    words_of("x", "", {"ss_tag_frequency": json.dumps(value), "ss_dataset_dirs": json.dumps(value)})
