"""Signatures of PayPal's webhooks, verified here with PayPal's certificate, so that a forged event causes no request.

A delivery's signature covers its id, its time, the webhook's id and the CRC-32 of the body, and names the certificate
to verify it with. A CRC-32 does not stop an attacker who has a genuine delivery and replaces its body. PayPal's own
verification API has no more to check; and an event is only a hint: its object is read again.

A certificate is downloaded once, only from PayPal's host, with a separate client and one at a time. Somebody who
invents names of certificates can cause at most DOWNLOADS_A_MINUTE downloads; known certificates keep working meanwhile.
"""

import asyncio
import re
import zlib
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorUnavailable
from tokenharbor.payments.paypal_objects import NAME

SENT_AGAIN_FOR: Final = timedelta(days=4)
"""How old an event may be; PayPal retries for three days."""

AHEAD: Final = timedelta(minutes=5)
DOWNLOADS_A_MINUTE: Final = 20

_ALGORITHM: Final = "sha256withrsa"
_ADDRESS: Final = re.compile(r"(https?://[^/?#]+)/v1/notifications/certs/[A-Za-z0-9_-]{1,100}", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_TRANSMISSION: Final = re.compile(r"[\x21-\x7b\x7d\x7e]{1,100}")  # visible characters except the separator
_LONGEST_SIGNATURE: Final = 2_000
_MOST_WAITING: Final = 10
_MINUTE_SECONDS: Final = 60.0
_TIMEOUT_SECONDS: Final = 5
_OK: Final = 200
_ABSENT: Final = (400, 403, 404, 410)


class PayPalSignatures:
    """Verifies that PayPal signed a delivery for one webhook; `base_url` is that of its API."""

    def __init__(self, base_url: str, webhook_id: str, clock: Clock) -> None:
        self._webhook_id = webhook_id
        self._clock = clock
        self._certificates = _Certificates(base_url, clock)

    async def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise ForgedEvent if the signature is wrong, ProcessorUnavailable if its certificate cannot be loaded now."""
        transmission, sent = headers.get("paypal-transmission-id", ""), headers.get("paypal-transmission-time", "")
        signature = _decode(headers.get("paypal-transmission-sig", ""))
        if not signature or not _TRANSMISSION.fullmatch(transmission) or not _TIME.fullmatch(sent):
            raise ForgedEvent("webhook refused: no valid signature headers")
        if headers.get("paypal-auth-algo", "").lower() != _ALGORITHM:
            raise ForgedEvent("webhook refused: signed with another algorithm")
        self._check_time(sent)
        key = await self._certificates.key(headers.get("paypal-cert-url", ""))
        message = f"{transmission}|{sent}|{self._webhook_id}|{zlib.crc32(body)}"
        try:
            key.verify(signature, message.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            raise ForgedEvent("webhook refused: the signature is wrong") from None

    def _check_time(self, sent: str) -> None:
        now = self._clock.now()
        try:
            at = datetime.fromisoformat(sent[:19]).replace(tzinfo=UTC)
        except ValueError:
            raise ForgedEvent("webhook refused: no valid signature headers") from None
        if not now - SENT_AGAIN_FOR <= at <= now + AHEAD:
            raise ForgedEvent("webhook refused: sent too long ago, or in the future")


class _Certificates:
    """PayPal's certificates, by URL. A URL that PayPal does not know is remembered as None for a minute."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        base = urlsplit(base_url)
        self._origins = {f"{base.scheme}://{host}" for host in (base.netloc, base.netloc.replace("api-m.", "api.", 1))}
        self._clock = clock
        self._known: dict[str, x509.Certificate | None] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._minute_ends_seconds = 0.0  # by the monotonic clock
        self._downloads = 0

    async def key(self, address: str) -> RSAPublicKey:
        match = _ADDRESS.fullmatch(address)
        if match is None or match[1] not in self._origins:
            raise ForgedEvent(f"webhook refused: the certificate is not {NAME}'s")
        if address not in self._known:
            await self._learn(address)
        certificate = self._known.get(address)
        key = None if certificate is None else certificate.public_key()
        if certificate is None or not isinstance(key, RSAPublicKey):
            raise ForgedEvent(f"webhook refused: {NAME} has no such certificate")
        if not certificate.not_valid_before_utc <= self._clock.now() <= certificate.not_valid_after_utc:
            raise ForgedEvent("webhook refused: the certificate is not in force")
        return key

    async def _learn(self, address: str) -> None:
        if self._waiting >= _MOST_WAITING:
            raise ProcessorUnavailable(f"too many other certificates of {NAME} are being loaded; try again")
        self._waiting += 1
        try:
            async with self._turn:
                if address not in self._known:
                    self._count()
                    self._known[address] = await _download(address)
        finally:
            self._waiting -= 1

    def _count(self) -> None:
        now = self._clock.monotonic()
        if now >= self._minute_ends_seconds:
            self._minute_ends_seconds, self._downloads = now + _MINUTE_SECONDS, 0
            self._known = {address: known for address, known in self._known.items() if known is not None}
        if self._downloads >= DOWNLOADS_A_MINUTE:
            raise ProcessorUnavailable(f"too many unknown certificates of {NAME} were named in a minute; try again")
        self._downloads += 1


async def _download(address: str) -> x509.Certificate | None:
    """Return a certificate, None if PayPal has none there. Raises ProcessorUnavailable."""
    import httpx  # noqa: PLC0415  takes a tenth of a second, only where PayPal is used

    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), httpx.AsyncClient(follow_redirects=False) as client:
            answer = await client.get(address)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as failed:
        raise ProcessorUnavailable(f"{NAME} sent no certificate ({type(failed).__name__}); try again") from None
    if answer.status_code in _ABSENT:
        return None
    if answer.status_code != _OK:
        raise ProcessorUnavailable(f"{NAME} sent no certificate (status {answer.status_code}); try again")
    try:
        return x509.load_pem_x509_certificate(answer.content)
    except ValueError:
        raise ProcessorUnavailable(f"{NAME} sent a certificate that cannot be read; try again") from None


def _decode(signature: str) -> bytes:
    """Return a decoded signature, b"" if it is malformed."""
    try:
        return b64decode(signature, validate=True) if len(signature) <= _LONGEST_SIGNATURE else b""
    except ValueError:
        return b""
