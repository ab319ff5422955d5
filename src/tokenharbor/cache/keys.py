"""Keys of answers: from all that could change an answer to a name that says nothing of it, and to what seals it.

One digest of 32 bytes (SHA-256) over a secret of the house and the facts. Its first half is the name by which an answer
is looked up, its second half the key that it is sealed with (AES-128) and which is kept nowhere: whoever reads the
memory of Redis finds names and sealed values. Only who has the secret and the same request can open one.

What all requests of a lane have in common is digested once: a request copies that state and goes on. BLAKE2b would give
64 bytes, and takes twice as long: the digest is the dearest part of a look-up.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from tokenharbor.kernel.secret import DerivedSecret

_HALF = 16
_encode = msgspec.msgpack.Encoder().encode


class CacheKey(NamedTuple):
    """The name of an answer, and the key that it is sealed with."""

    name: bytes
    seal: bytes

    def __repr__(self) -> str:
        return "CacheKey(...)"


class KeyPrefix:
    """What many keys have in common: the secret, whose requests they are of, and what these share."""

    __slots__ = ("_state",)

    def __init__(self, secret: bytes, facts: Sequence[object]) -> None:
        self._state = sha256(_encode((secret, facts)))

    def key(self, facts: Sequence[object]) -> CacheKey:
        """The key of one request, by what is its own."""
        state = self._state.copy()
        state.update(_encode(facts))
        digest = state.digest()
        return CacheKey(digest[:_HALF], digest[_HALF:])


class KeyMaker:
    """Makes keys, alike in all gateways of one house."""

    def __init__(self, secret: DerivedSecret) -> None:
        self._secret = secret.secret

    def begin(self, *facts: object) -> KeyPrefix:
        """What comes first of a key says how long it is: no two lists of facts look the same."""
        return KeyPrefix(self._secret, facts)
