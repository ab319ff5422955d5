"""Cache keys: the name that an answer is stored under and the key that seals it, from all that could change the answer.

Both are halves of one SHA-256 digest over the gateway's secret and the request's facts. The first 16 bytes are the name
under which an answer is looked up. The last 16 bytes are the key that seals it (AES-128) and are stored nowhere. A
reader of Redis's memory finds names and sealed values; to open one takes the secret and the same request.

The facts that all requests of a lane share are digested once; each request copies that state and adds its own. The
digest is the most expensive part of a lookup. BLAKE2b takes twice as long, and its 64 bytes are not needed.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from tokenharbor.kernel.secret import DerivedSecret

_HALF = 16
_encode = msgspec.msgpack.Encoder().encode


class CacheKey(NamedTuple):
    """The name of a cached answer, and the key that seals it."""

    name: bytes
    seal: bytes

    def __repr__(self) -> str:
        return "CacheKey(...)"


class KeyPrefix:
    """The state of a digest over what many keys share: the secret, the scope and the lane's facts."""

    __slots__ = ("_state",)

    def __init__(self, secret: bytes, facts: Sequence[object]) -> None:
        self._state = sha256(_encode((secret, facts)))

    def key(self, facts: Sequence[object]) -> CacheKey:
        """Return the key of one request, from the facts that only it has."""
        state = self._state.copy()
        state.update(_encode(facts))
        digest = state.digest()
        return CacheKey(digest[:_HALF], digest[_HALF:])


class KeyMaker:
    """Makes cache keys: the same ones in all gateways with the same secret."""

    def __init__(self, secret: DerivedSecret) -> None:
        self._secret = secret.secret

    def prefix(self, *facts: object) -> KeyPrefix:
        """Return the prefix of all keys with these facts. Facts are encoded with their lengths: different ones
        differ.
        """
        return KeyPrefix(self._secret, facts)
