"""Sealing: what is kept can be opened by who asks the same question again, and by nobody else."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokenharbor.cache.answers import KeptAnswer, UnreadableAnswer, pack, unpack
from tokenharbor.cache.keys import CacheKey
from tokenharbor.kernel.entropy import Entropy

_NONCE_BYTES = 12


def seal(key: CacheKey, answer: KeptAnswer, entropy: Entropy) -> bytes:
    """One key may seal several answers, one after the other: each has a nonce of its own."""
    return seal_bytes(key, pack(answer), entropy)


def unseal(key: CacheKey, sealed: bytes) -> KeptAnswer | None:
    """None for what this key did not seal, or what another version did."""
    packed = unseal_bytes(key, sealed)
    try:
        return None if packed is None else unpack(packed)
    except UnreadableAnswer:
        return None


def seal_bytes(key: CacheKey, packed: bytes, entropy: Entropy) -> bytes:
    nonce = entropy.bytes(_NONCE_BYTES)
    return nonce + AESGCM(key.seal).encrypt(nonce, packed, key.name)


def unseal_bytes(key: CacheKey, sealed: bytes) -> bytes | None:
    try:
        return AESGCM(key.seal).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key.name)
    except (InvalidTag, ValueError):
        return None
