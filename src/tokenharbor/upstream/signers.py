"""Signers: present a credential to a provider, by header lines that are fixed or made for each request."""

import re
from collections.abc import Callable, Mapping

import msgspec

from tokenharbor.catalog.types import Provider
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.upstream import sigv4

SignRequest = Callable[[sigv4.RequestToSign], bytes]
"""Makes the header lines of one request."""


class CredentialSigner(msgspec.Struct, frozen=True):
    """The presentation of a credential. `lines` go with every request; `sign`, if set, makes more for each request.
    `visible_secret` is the part of the credential that the provider is sent verbatim, and could repeat.
    """

    lines: sigv4.Lines = ()
    sign: SignRequest | None = None
    visible_secret: str = ""


def _bearer(_: Provider, secret: str, __: Clock) -> CredentialSigner:
    return CredentialSigner((("authorization", f"Bearer {secret}"),), visible_secret=secret)


def _x_api_key(_: Provider, secret: str, __: Clock) -> CredentialSigner:
    return CredentialSigner((("x-api-key", secret),), visible_secret=secret)


def _x_goog_api_key(_: Provider, secret: str, __: Clock) -> CredentialSigner:
    return CredentialSigner((("x-goog-api-key", secret),), visible_secret=secret)


def _none(_: Provider, __: str, ___: Clock) -> CredentialSigner:
    return CredentialSigner()


_REGION_IN_HOST = re.compile(r"(?<=\.)[a-z]{2}(?:-[a-z]+){1,3}-\d(?=\.)")


def _sigv4(provider: Provider, secret: str, clock: Clock) -> CredentialSigner:
    """Sign by SigV4. The region is the one in the base URL: the provider's own may be a wider one, for boundaries."""
    found = _REGION_IN_HOST.search(provider.base_url)
    region = found[0] if found else provider.region
    if not region:
        raise _lacks(provider, "a region, in base_url or as `region`")
    if not provider.service:
        raise _lacks(provider, "the name of the service to sign for, as `service`")
    keys, scope = sigv4.read_keys(secret), sigv4.SigningScope(region, provider.service)
    if keys is None:
        raise _lacks(provider, "a credential that is ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN")
    _check("authorization", f"{keys.id}{keys.token}")

    def sign_request(sent: sigv4.RequestToSign) -> bytes:
        return "".join(f"{name}: {value}\r\n" for name, value in sigv4.sign(keys, scope, sent, clock.now())).encode()

    return CredentialSigner(sign=sign_request, visible_secret=keys.token)


def _lacks(provider: Provider, what: str) -> Misconfigured:
    return Misconfigured(f"provider {provider.name}: auth sigv4 needs {what}")


SIGNERS: Mapping[str, Callable[[Provider, str, Clock], CredentialSigner]] = {
    "bearer": _bearer,
    "x-api-key": _x_api_key,
    "x-goog-api-key": _x_goog_api_key,
    "sigv4": _sigv4,
    "none": _none,
}


def make_signer(provider: Provider, secret: str | None, clock: Clock) -> CredentialSigner:
    """Return the signer for a provider's `auth`. Raises Misconfigured for an unknown `auth`, and for a credential that
    cannot be sent that way.
    """
    if provider.auth not in SIGNERS:
        raise Misconfigured(f"unknown auth {provider.auth!r}; use one of {', '.join(sorted(SIGNERS))}")
    signer = SIGNERS[provider.auth](provider, secret or "", clock)
    for name, value in signer.lines:
        _check(name, value)
    return signer


def _check(name: str, value: str) -> None:
    if not value.isascii() or not value.isprintable():
        raise Misconfigured(f"the credential for {name} contains characters that are not allowed in a header")
