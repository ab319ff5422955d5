"""The root secret: one file or reference, from which every other secret is derived by purpose."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.files import create_private_file

SHORTEST: Final = 32
"""The fewest characters of a root secret."""

_NONCE_BYTES = 12
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretPurpose(StrEnum):
    """The purpose of a derived secret. The text is part of the derivation and must never change."""

    KEY_HASHES = "tokenharbor key hashing v1"
    CREDENTIALS = "tokenharbor credentials at rest v1"
    RECEIPTS = "tokenharbor receipts v1"
    INSTRUMENTS = "tokenharbor payment instruments v1"
    WEBHOOKS = "tokenharbor webhooks of customers at rest v1"
    SIGN_IN = "tokenharbor sessions and tokens v1"
    SECOND_FACTORS = "tokenharbor second factors at rest v1"
    MAILS = "tokenharbor mails at rest v1"
    OPENID = "tokenharbor sign-ins under way v1"
    CACHE = "tokenharbor kept answers v1"
    CONVERSATIONS = "tokenharbor ids of conversations v1"
    CONSOLE_ROLE = "tokenharbor console's role in the database v1"


_FINGERPRINT = "tokenharbor fingerprint v1"


@dataclass(frozen=True, slots=True)
class DerivedSecret:
    """A secret of 32 bytes for one purpose. All that is made with it stores its `id`."""

    id: str
    secret: bytes = field(repr=False)


class RootSecret:
    """The root secret, which derives others and is never shown. `material` is the content of the file or reference;
    blanks at its ends are removed.
    """

    def __init__(self, material: str) -> None:
        material = material.strip()
        if len(material) < SHORTEST:
            raise Misconfigured(f"the root secret has fewer than {SHORTEST} characters; use 64")
        self._material = material.encode()

    def derive(self, purpose: SecretPurpose) -> DerivedSecret:
        secret = self._expand(purpose)
        return DerivedSecret(hashlib.sha256(secret).hexdigest()[:12], secret)

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that tell root secrets apart without revealing them."""
        return self._expand(_FINGERPRINT)

    def _expand(self, info: str) -> bytes:
        return HKDF(SHA256(), length=32, salt=None, info=info.encode()).derive(self._material)


def read_or_create_root_secret(path: Path, entropy: Entropy) -> RootSecret:
    """Return the root secret of a file, which is created on first use.

    Raises Misconfigured if the file cannot be used, or if others may read it.
    """
    try:
        if not path.exists():
            create_private_file(path, entropy.bytes(32).hex() + "\n", entropy)
        return _read(path)
    except OSError as error:
        raise Misconfigured(f"{path}: cannot use the root secret: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: the root secret is not text") from error


def _without_waiting(path: str, flags: int) -> int:
    """Open a path without blocking: a pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read(path: Path) -> RootSecret:
    with open(path, encoding="ascii", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Misconfigured(f"{path}: the root secret is not a regular file")
        if found.st_mode & _OTHERS:
            raise Misconfigured(f"{path}: the root secret is readable by others; run: chmod 600 {path}")
        material = file.read()
    try:
        return RootSecret(material)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error}") from None


class SecretBox:
    """A cipher for small secrets that are stored in the database; its key is a derived secret."""

    def __init__(self, derived: DerivedSecret, entropy: Entropy) -> None:
        self._cipher = ChaCha20Poly1305(derived.secret)
        self._entropy = entropy
        self.key_id = derived.id

    def encrypt(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt a value. `context` names where it is stored; it is needed to decrypt, and is not in the result."""
        nonce = self._entropy.bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def decrypt(self, sealed: bytes, context: bytes) -> bytes:
        """Return the plain value. Raises Misconfigured for another root secret, another context, or a changed value."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise Misconfigured(
                "cannot decrypt a stored value: it was changed, or encrypted with another secret"
            ) from None
