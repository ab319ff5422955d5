"""Targets: the address, head and deadlines of an endpoint, prepared once for all requests."""

from typing import Protocol

import msgspec

from tokenharbor.catalog.types import Endpoint
from tokenharbor.http.message import Deadlines
from tokenharbor.http.origin import Origin, origin_of
from tokenharbor.kernel.clock import Clock
from tokenharbor.upstream.credential_mask import CredentialMask
from tokenharbor.upstream.signers import SignRequest, make_signer
from tokenharbor.upstream.sigv4 import RequestToSign

_AGENT = "tokenharbor"


class RequestSigning(msgspec.Struct, frozen=True):
    """The signing of requests to an endpoint: its two paths, and the headers that a signature covers."""

    sign: SignRequest
    path_whole: str
    path_stream: str
    headers: tuple[tuple[str, str], ...]


class Target(msgspec.Struct, frozen=True):
    """An endpoint ready to be called. The heads lack only `provider_headers`, the lines that `signing` makes,
    content-length and the blank line.
    """

    endpoint: Endpoint
    origin: Origin
    head_whole: bytes
    head_stream: bytes
    provider_headers: tuple[tuple[bytes, bytes], ...]  # name with the colon, line
    deadlines: Deadlines
    credential: CredentialMask = CredentialMask("")  # the credential in the heads, to be masked in answers
    signing: RequestSigning | None = None
    clock: Clock | None = None

    def head(self, callers: bytes, body: bytes, *, stream: bool) -> bytes:
        """Return the head of one request without content-length and the blank line. `callers` are the caller's own
        header lines.
        """
        head = self.head_stream if stream else self.head_whole
        if callers or self.provider_headers:
            head += self.lines(callers)
        signing = self.signing
        if signing is None:
            return head
        path = signing.path_stream if stream else signing.path_whole
        return head + signing.sign(RequestToSign("POST", path, signing.headers, body))

    def lines(self, callers: bytes) -> bytes:
        """Return the header lines of one request: `callers`, and the provider's configured headers that are not among
        them. A vendor ignores a version header that is sent twice.
        """
        for name, line in self.provider_headers:
            if not callers.startswith(name) and b"\n" + name not in callers:
                callers += line
        return callers


class DialectPath(Protocol):
    """A dialect's path under a provider's base URL."""

    def __call__(self, model: str, *, stream: bool) -> str: ...


def make_target(
    endpoint: Endpoint, path: DialectPath, secret: str | None, clock: Clock, *, media: str | None = "application/json"
) -> Target:
    """Return the target of an endpoint. `media` is the content type, or None if each request states its own. Raises
    Misconfigured for an invalid base URL, and for a credential that cannot be sent.
    """
    provider = endpoint.provider
    origin, prefix = origin_of(provider.base_url)
    signer = make_signer(provider, secret, clock)
    about = (("host", origin.authority), *(() if media is None else (("content-type", media),)))
    lines = [*about, ("user-agent", _AGENT), *signer.lines]
    rest = " HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    path_whole, path_stream = (prefix + path(endpoint.upstream_model, stream=each) for each in (False, True))
    own = {
        name.lower() for name, _ in provider.headers
    }  # a configured header replaces ours: strict vendors refuse both
    if "accept-encoding" not in own:  # otherwise a provider may compress, and bytes are passed on unchanged
        rest += "accept-encoding: identity\r\n"
    limits = provider.timeouts
    return Target(
        endpoint,
        origin,
        _head(path_whole, rest, "" if "accept" in own else "application/json"),
        _head(path_stream, rest, "" if "accept" in own else "text/event-stream"),
        tuple(_line(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in provider.headers),
        Deadlines(limits.connect, limits.first_event, limits.between_events, limits.total),
        CredentialMask(signer.visible_secret),
        RequestSigning(signer.sign, path_whole, path_stream, about) if signer.sign else None,
        clock,
    )


def _head(path: str, rest: str, accept: str) -> bytes:
    accepted = f"accept: {accept}\r\n" if accept else ""
    return f"POST {path}{rest}{accepted}".encode("latin-1")


def _line(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    return name + b":", b"%b: %b\r\n" % (name, value)
