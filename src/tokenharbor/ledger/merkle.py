"""Merkle trees as in RFC 6962: a root over leaves in order, and the path that proves one of them."""

from collections.abc import Sequence
from hashlib import sha256

_LEAF, _NODE = b"\0", b"\1"  # so that no inner node can be passed off as a leaf

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    return sha256(_LEAF + data).digest()


def levels(leaves: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
    """Return the levels of the tree, from the leaves' hashes to the root. A node without a sibling moves up."""
    rows: list[Sequence[bytes]] = [[leaf_hash(leaf) for leaf in leaves] or [EMPTY]]
    while len(rows[-1]) > 1:
        row = rows[-1]
        above = [_node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        rows.append([*above, row[-1]] if len(row) % 2 else above)
    return rows


def tree_root(leaves: Sequence[bytes]) -> bytes:
    return levels(leaves)[-1][0]


def path_to(rows: Sequence[Sequence[bytes]], place: int) -> tuple[bytes, ...]:
    """Return the siblings of a leaf and of the nodes above it, lowest first."""
    siblings = []
    for row in rows[:-1]:
        if place ^ 1 < len(row):
            siblings.append(row[place ^ 1])
        place >>= 1
    return tuple(siblings)


def root_from_path(leaf: bytes, place: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a leaf's data and path lead to; None if the path does not fit the place and size."""
    if not 0 <= place < size:
        return None
    node, last, left = leaf_hash(leaf), size - 1, list(path)
    while last:
        if place % 2:
            if not left:
                return None
            node = _node(left.pop(0), node)
        elif place < last:
            if not left:
                return None
            node = _node(node, left.pop(0))
        place, last = place >> 1, last >> 1
    return None if left else node


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
