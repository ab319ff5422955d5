"""Customers' webhooks: which URLs are allowed, how a request is signed, and how it is posted.

Invariant: a customer's URL never makes our server connect to a private address. The customer chooses the URL, so it is
not trusted. Its host is resolved once, every address of it must be public, and the connection goes to one of these
addresses; a later change of the DNS answer has no effect. Redirects are not followed, proxies of the environment are
not used, and only the status of the answer is read. An operator who trusts the customers may allow private addresses
and plain HTTP.

The signature follows Standard Webhooks (standardwebhooks.com): HMAC-SHA256 of `id.timestamp.body`.
"""

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tokenharbor.kernel.errors import DeliveryRefused, DeliveryUnavailable, Rejected
from tokenharbor.kernel.reasons import ErrorReason

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  the prefix of a secret
LONGEST_URL: Final = 2_000

_SECONDS: Final = 15
_EMBEDS_IPV4: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"))
"""IPv6 networks whose addresses may be translated to any IPv4 address."""


@dataclass(frozen=True, slots=True)
class AlertWebhook:
    """The URL that an account's notices are posted to, and the secret that signs them."""

    url: str = field(repr=False)
    secret: bytes = field(repr=False)

    @property
    def shown_secret(self) -> str:
        """The secret in the form that libraries for Standard Webhooks accept."""
        return SECRET_PREFIX + base64.b64encode(self.secret).decode()


def sign_webhook(secret: bytes, message_id: str, unix_seconds: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that identify, date and sign a webhook."""
    signed = f"{message_id}.{unix_seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(unix_seconds),
        "webhook-signature": f"v1,{signature}",
    }


def check_webhook_url(url: str, *, private: bool) -> SplitResult:
    """Return the parts of a URL. Raises Rejected if it can never be a webhook's.

    The addresses of its host are checked at each post.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Rejected("the webhook URL is not valid", param="url").because(ErrorReason.URL_INVALID) from None
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_URL or port == 0:
        raise Rejected("the webhook URL is not valid", param="url").because(ErrorReason.URL_INVALID)
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise Rejected("the webhook URL must begin with https://", param="url").because(ErrorReason.URL_NOT_HTTPS)
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise Rejected("the webhook URL must have a host, no user information and no fragment", param="url").because(
            ErrorReason.URL_PARTS
        )
    return parts


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is on the public internet, and cannot lead to a private one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.teredo is not None or address.is_site_local or any(address in each for each in _EMBEDS_IPV4):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class WebhookSender:
    """Posts webhooks. With `private`, also to private addresses and without TLS."""

    def __init__(self, *, private: bool) -> None:
        self.private = private

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Return when the receiver has answered with 2xx. Raises DeliveryUnavailable or DeliveryRefused."""
        try:
            parts = check_webhook_url(url, private=self.private)
        except Rejected as error:
            raise DeliveryRefused(str(error)).because(error.reason or ErrorReason.URL_INVALID) from None
        try:
            async with asyncio.timeout(_SECONDS):
                address = await self._resolve(parts)
                status = await _post(parts, address, headers, body)
        except TimeoutError:
            raise DeliveryUnavailable(f"the webhook did not answer within {_SECONDS} s").because(
                ErrorReason.WEBHOOK_TIMEOUT
            ) from None
        if not 200 <= status <= 299:
            raise DeliveryUnavailable(f"the webhook answered with status {status}").because(
                ErrorReason.WEBHOOK_STATUS, status=status
            )

    async def _resolve(self, parts: SplitResult) -> str:
        """Return an address of the host, after checking that all its addresses may be posted to."""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise DeliveryUnavailable("the webhook's host has no address").because(
                ErrorReason.WEBHOOK_NO_ADDRESS
            ) from None
        addresses = [str(each[4][0]).partition("%")[0] for each in found]
        if not self.private and not all(is_public(ip_address(each)) for each in addresses):
            raise DeliveryRefused("the webhook's host has an address that is not public").because(
                ErrorReason.WEBHOOK_NOT_PUBLIC
            )
        return addresses[0]


async def _post(parts: SplitResult, address: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post to an address with the URL's host in the Host header and in TLS. Return the HTTP status."""
    import httpx  # noqa: PLC0415  takes a tenth of a second, only where webhooks are posted

    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    pinned = f"[{address}]" if ":" in address else address
    url = parts._replace(netloc=f"{pinned}{port}").geturl()
    sent = {**headers, "host": f"{named}{port}", "content-type": "application/json", "user-agent": "TokenHarbor"}
    try:
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=_SECONDS) as client,
            client.stream("POST", url, headers=sent, content=body, extensions={"sni_hostname": host}) as response,
        ):
            return response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise DeliveryUnavailable(f"the webhook cannot be reached: {type(error).__name__}").because(
            ErrorReason.WEBHOOK_UNREACHABLE
        ) from None
