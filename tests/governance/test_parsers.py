"""JSON bodies have limits before they become values."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.api.parsers import MAX_BYTES, MAX_DEPTH, BodyTooDeep, BodyTooLarge, depth_of
from governance.api.parsers import BoundedJSONParser as Parser


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def real_depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(real_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(real_depth, value), default=0)
    return 0


def test_a_body_at_the_limits_is_read() -> None:
    assert Parser().parse(io.BytesIO(nested(MAX_DEPTH)))


def test_a_level_more_is_refused() -> None:
    with pytest.raises(BodyTooDeep):
        Parser().parse(io.BytesIO(nested(MAX_DEPTH + 1)))


def test_a_byte_more_is_refused() -> None:
    with pytest.raises(BodyTooLarge):
        Parser().parse(io.BytesIO(b'"' + b"a" * (MAX_BYTES - 1) + b'"'))


JSON = st.recursive(
    st.none() | st.text(alphabet='[]{}"\\a', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=60,
)


@given(JSON)
def test_the_depth_is_that_of_the_value_or_too_small_to_matter(value: object) -> None:
    assert depth_of(json.dumps(value).encode()) in {0, real_depth(value)}


@given(st.integers(min_value=1, max_value=200))
def test_brackets_in_strings_are_no_depth(count: int) -> None:
    assert depth_of(json.dumps({"prompt": '[{"\\' * count}).encode()) <= 1
