"""API keys and management keys: making, recognising and hashing them, and the check of an API key's networks."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.secret import DerivedSecret

PREFIX = "thk_live_"
MANAGEMENT_PREFIX = "thm_live_"
LENGTH = len(PREFIX) + 32  # both prefixes have the same length

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FAIR = 256 - 256 % len(_ALPHABET)  # higher bytes would favour the first letters
_BASE62 = frozenset(_ALPHABET.encode())

KeyHash = Callable[[bytes], bytes]
"""Returns the keyed hash of a presented key, 32 bytes."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key: shown once, never stored. `first4` and `last4` of its 32 random characters are for display."""

    key: str = field(repr=False)

    @property
    def first4(self) -> str:
        return self.key[len(PREFIX) : len(PREFIX) + 4]

    @property
    def last4(self) -> str:
        return self.key[-4:]


def make_key(entropy: Entropy, prefix: str = PREFIX) -> NewKey:
    """Make a random key; all characters are equally likely."""
    letters: list[str] = []
    while len(letters) < LENGTH - len(prefix):
        letters += [_ALPHABET[byte % 62] for byte in entropy.bytes(40) if byte < _FAIR]
    return NewKey(prefix + "".join(letters[: LENGTH - len(prefix)]))


def is_well_formed(presented: bytes, prefix: str = PREFIX) -> bool:
    return (
        len(presented) == LENGTH
        and presented.startswith(prefix.encode())
        and _BASE62.issuperset(presented[len(prefix) :])
    )


def key_hasher(derived: DerivedSecret) -> KeyHash:
    """Return the keyed hash (BLAKE2b). A key has 190 random bits, so a slow hash would not protect it better."""
    keyed = hashlib.blake2b(key=derived.secret, digest_size=32)

    def hash_key(presented: bytes) -> bytes:
        state = keyed.copy()
        state.update(presented)
        return state.digest()

    return hash_key


def allows_ip(caller: Caller, peer: str) -> bool:
    """Whether the key's networks contain the peer's address; False for a peer without an IP address."""
    if not caller.networks:
        return True
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:192.0.2.1, as dual-stack sockets report it
    return any((mapped or address) in network for network in caller.networks)
