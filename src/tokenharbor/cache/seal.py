"""Encryption of cached answers: only the same request can open one."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokenharbor.cache.answers import CachedAnswer, UnreadableAnswer, pack, unpack
from tokenharbor.cache.keys import CacheKey
from tokenharbor.kernel.entropy import Entropy

_NONCE_BYTES = 12


def seal(key: CacheKey, answer: CachedAnswer, entropy: Entropy) -> bytes:
    """Pack and encrypt an answer, with a new nonce each time: one key may seal several answers over time."""
    return seal_bytes(key, pack(answer), entropy)


def unseal(key: CacheKey, sealed: bytes) -> CachedAnswer | None:
    """Return the answer, or None if another key or another version sealed it."""
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
