"""The root secret in force, and the signer and credentials that depend on it."""

from collections.abc import Callable, Mapping
from typing import Final

from tokenharbor.app.settings import Settings
from tokenharbor.catalog.types import Provider
from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose, read_or_create_root_secret
from tokenharbor.kernel.signing import MessageSigner

SECRET_FILE: Final = "secret.key"  # noqa: S105  a file's name
"""Under HOME: the root secret, unless `server.secret` points elsewhere."""


def root_secret(settings: Settings, entropy: Entropy) -> RootSecret:
    """Return the secret that `server.secret` refers to, else HOME/secret.key, created on first use.

    Raises Misconfigured.
    """
    reference = settings.server.secret
    if reference is None:
        return read_or_create_root_secret(settings.home / SECRET_FILE, entropy)
    material = settings.secret(reference)
    if material is None:
        raise Misconfigured(f"server.secret: {reference} is not set")
    try:
        return RootSecret(material)
    except Misconfigured as error:
        raise Misconfigured(f"server.secret: {reference}: {error}") from None


def credential_seal(root: RootSecret, entropy: Entropy) -> SecretBox:
    return SecretBox(root.derive(SecretPurpose.CREDENTIALS), entropy)


def receipt_signer(root: RootSecret) -> MessageSigner:
    """Return the signer of roots and receipts."""
    return MessageSigner(root.derive(SecretPurpose.RECEIPTS))


def credential_lookup(settings: Settings, stored: Mapping[str, str]) -> Callable[[Provider], str | None]:
    """Return a function that finds a provider's credential: the stored one, else the one its reference points to."""

    def find(provider: Provider) -> str | None:
        if provider.name in stored:
            return stored[provider.name]
        reference = provider.credential
        if reference is not None and reference.startswith("store:"):
            return stored.get(reference.removeprefix("store:"))
        return settings.secret(reference)

    return find
