"""Signed roots: their form, and the bytes that are hashed and signed, which anybody can recompute."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.signing import MessageSigner, is_signed
from tokenharbor.ledger.chain import int8, microseconds
from tokenharbor.ledger.merkle import root_from_path

FIRST_PREVIOUS = bytes(32)
"""The `previous` of the first root."""

_PREFIX = b"tokenharbor root v1\0"
_HASH_BYTES = 32


class Cut(msgspec.Struct, frozen=True):
    """A leaf of a root: the entries `from_seq` to `to_seq` of an account, and the account's state after the last.
    `place` and `path` prove the leaf in its root and are not part of it.
    """

    account_id: UUID
    from_seq: int
    to_seq: int
    step: int
    spent: int
    chain: bytes
    line: bytes  # the digest of the line up to `spent`
    tree: bytes  # the Merkle root over the entries' digests
    root: int = 0
    place: int = 0
    path: bytes = b""

    @property
    def size(self) -> int:
        return self.to_seq - self.from_seq + 1


class Root(msgspec.Struct, frozen=True):
    """A Merkle root over cuts, signed, with the digest of the root before."""

    number: int
    made_at: datetime
    cuts: int
    entries: int
    previous: bytes
    tree: bytes
    key_id: str
    signature: bytes = b""


def cut_bytes(cut: Cut) -> bytes:
    """Return a leaf's data."""
    numbers = (cut.from_seq, cut.to_seq, cut.step, cut.spent)
    return cut.account_id.bytes + b"".join(map(int8, numbers)) + cut.tree + cut.chain + cut.line


def root_bytes(root: Root) -> bytes:
    """Return the bytes that the signature covers."""
    numbers = (root.number, microseconds(root.made_at), root.cuts, root.entries)
    return _PREFIX + b"".join(map(int8, numbers)) + root.previous + root.tree + root.key_id.encode()


def root_digest(root: Root) -> bytes:
    """Return the digest by which the next root names this one."""
    return sha256(root_bytes(root)).digest()


def sign_root(root: Root, signer: MessageSigner) -> Root:
    return msgspec.structs.replace(root, signature=signer.sign(root_bytes(root)))


def is_signed_root(root: Root, keys: Mapping[str, bytes]) -> bool:
    """Whether a root has a valid signature by one of the public keys, given by id."""
    key = keys.get(root.key_id)
    return key is not None and is_signed(key, root.signature, root_bytes(root))


def is_in_root(cut: Cut, root: Root) -> bool:
    return root_from_path(cut_bytes(cut), cut.place, root.cuts, split_path(cut.path)) == root.tree


def split_path(path: bytes) -> list[bytes]:
    return [path[i : i + _HASH_BYTES] for i in range(0, len(path), _HASH_BYTES)]


def read_cut(row: Mapping[str, Any]) -> Cut:
    return Cut(**dict(row))


def read_root(row: Mapping[str, Any]) -> Root:
    return Root(**dict(row))
