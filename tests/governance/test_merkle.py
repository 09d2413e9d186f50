"""The tree of RFC 6962 against its published vectors, proofs against all sizes, forgeries refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel import merkle
from governance.kernel.canonical import rfc8785

# The test vectors of Certificate Transparency's own implementations.
ENTRIES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(130)]


def node_of(leaves: list[bytes]) -> merkle.Node:
    return lambda level, index: merkle.fold(leaves[index << level : (index + 1) << level])


NODE = node_of(LEAVES)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]

    assert merkle.root(size, node_of(leaves)).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root(0, NODE) == merkle.Frontier().root() == merkle.EMPTY_ROOT


@given(st.data())
def test_every_leaf_is_proven_and_no_other_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))

    path = merkle.inclusion_proof(index, size, NODE)

    assert merkle.root_from_inclusion(LEAVES[index], index, size, path) == merkle.root(size, NODE)
    assert merkle.root_from_inclusion(b"x" * 32, index, size, path) != merkle.root(size, NODE)


@given(st.data())
def test_every_older_tree_is_continued_and_no_other(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, len(LEAVES)))
    old = data.draw(st.integers(0, new))
    path = merkle.consistency_proof(old, new, NODE)
    roots = merkle.root(old, NODE), merkle.root(new, NODE)

    merkle.check_consistency(old, roots[0], new, roots[1], path)

    if old:
        with pytest.raises(merkle.ProofInvalid):
            merkle.check_consistency(old, b"x" * 32, new, roots[1], path)
        with pytest.raises(merkle.ProofInvalid):
            merkle.check_consistency(old, roots[0], new, roots[1], [*path, b"x" * 32])


def test_a_growing_tree_has_the_same_root_as_one_built_at_once() -> None:
    frontier = merkle.Frontier()

    for size, leaf in enumerate(LEAVES, start=1):
        frontier.append(leaf)
        assert frontier.root() == merkle.root(size, NODE)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (4.5, "4.5"), (2e-3, "0.002"), (1e-6, "0.000001"),
        (1e-7, "1e-7"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e30, "1e+30"),
        (333333333.33333329, "333333333.3333333"), (5e-324, "5e-324"), (-1.5e-9, "-1.5e-9"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_rfc_8785_asks(number: float, text: str) -> None:
    assert rfc8785({"n": number}) == b'{"n":' + text.encode() + b"}"


def test_names_are_sorted_by_utf_16() -> None:
    # Section 3.2.3 of the RFC: the surrogates of an emoji come before U+FB33.
    assert rfc8785({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == (
        '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()
    )
