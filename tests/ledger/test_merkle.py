"""Merkle trees: every leaf is proven by its path, and by no other."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.ledger.merkle import EMPTY, leaf_hash, levels, path_to, root_from_path, tree_root

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=70)


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1: split at the largest power of two below the size."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + _by_definition(leaves[:split]) + _by_definition(leaves[split:])).digest()


def test_no_leaf_and_one() -> None:
    assert tree_root([]) == EMPTY == _by_definition([])
    assert tree_root([b"a"]) == leaf_hash(b"a")
    assert root_from_path(b"a", 0, 1, ()) == leaf_hash(b"a")
    assert root_from_path(b"a", 0, 0, ()) is None
    assert root_from_path(b"a", 1, 1, ()) is None


@given(LEAVES)
def test_the_root_is_the_standards(leaves: list[bytes]) -> None:
    assert tree_root(leaves) == _by_definition(leaves)


@given(LEAVES, st.data())
def test_a_path_proves_its_leaf_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(leaves) - 1))
    rows = levels(leaves)
    path, root, size = path_to(rows, place), rows[-1][0], len(leaves)
    assert root_from_path(leaves[place], place, size, path) == root
    assert root_from_path(leaves[place] + b"x", place, size, path) != root
    assert root_from_path(leaves[place], place, size, (*path, bytes(32))) is None
    assert not path or root_from_path(leaves[place], place, size, path[1:]) != root
    for at in range(len(path)):
        assert (
            root_from_path(leaves[place], place, size, (*path[:at], sha256(path[at]).digest(), *path[at + 1 :])) != root
        )
    other = data.draw(st.integers(0, len(leaves) - 1))
    if other != place and leaves[other] != leaves[place]:
        assert root_from_path(leaves[other], place, size, path) != root


@given(LEAVES, LEAVES)
def test_an_inner_node_is_no_leaf(left: list[bytes], right: list[bytes]) -> None:
    inner = tree_root(left) + tree_root(right)
    assert root_from_path(inner, 0, 1, ()) != sha256(b"\1" + inner).digest()
