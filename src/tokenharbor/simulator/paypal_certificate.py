"""The simulated PayPal's signing key, made at its first use, and its certificate."""

from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

_BITS: Final = 1024  # fast to generate, and enough without real money


class SimulatedSigner:
    """Signs like PayPal: RSA over SHA-256."""

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, PKCS1v15(), SHA256())

    @cached_property
    def certificate(self) -> str:
        """The certificate in PEM, valid at any simulated time."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated PayPal")])
        begins, ends = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number(), begins, ends)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()

    @cached_property
    def _key(self) -> RSAPrivateKey:
        return generate_private_key(65537, _BITS)
