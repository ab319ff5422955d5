"""The site that passkeys belong to: a domain name, over TLS or localhost."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn

_LOCAL = "localhost"


@dataclass(frozen=True, slots=True)
class PasskeySite:
    """The domain that passkeys are bound to, and the origin of our pages."""

    domain: str
    origin: str


def has_passkeys(sign_in: SignIn) -> bool:
    """Return whether passkeys are possible: browsers require a domain name, and TLS except on localhost."""
    return _find_site(sign_in.public_url) is not None


def site_of(sign_in: SignIn) -> PasskeySite:
    """Return the site. Raises Missing if passkeys are not possible."""
    site = _find_site(sign_in.public_url)
    if site is None:
        raise Missing("passkeys need a domain name and HTTPS").because(ErrorReason.PASSKEYS_NOT_OFFERED)
    return site


def _find_site(public_url: str) -> PasskeySite | None:
    parts = urlsplit(public_url)
    domain = parts.hostname or ""
    if not domain or (parts.scheme != "https" and domain != _LOCAL):
        return None
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        return PasskeySite(domain, f"{parts.scheme}://{parts.netloc}")
    return None
