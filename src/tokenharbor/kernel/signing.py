"""Signing: Ed25519 signatures with a key derived from the root secret, and their check."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tokenharbor.kernel.secret import DerivedSecret

ALGORITHM = "ed25519"


class MessageSigner:
    """A signer of messages. Each signature is stored with `key_id`, by which the public key is found."""

    def __init__(self, derived: DerivedSecret) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(derived.secret)
        self.key_id = derived.id
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the owner of the public key signed this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
