"""Which site passkeys are made for: a domain name, over TLS or on the machine itself."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn

_LOCAL = "localhost"


@dataclass(frozen=True, slots=True)
class PasskeySite:
    """What a passkey is bound to: the domain, and the address that pages are read at."""

    domain: str
    origin: str


def has_passkeys(sign_in: SignIn) -> bool:
    """Browsers keep passkeys for domain names only, and take them over TLS or on the machine itself."""
    return _find_site(sign_in.public_url) is not None


def site_of(sign_in: SignIn) -> PasskeySite:
    """Raises Missing where there is none."""
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
