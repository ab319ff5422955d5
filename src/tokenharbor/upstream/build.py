"""Targets: where and how an endpoint is called, made ready once so that a request only appends its body."""

from typing import Protocol

import msgspec

from tokenharbor.catalog.types import Endpoint
from tokenharbor.http.message import Deadlines
from tokenharbor.http.origin import Origin, origin_of
from tokenharbor.upstream.signers import sign

_AGENT = "tokenharbor"


class Target(msgspec.Struct, frozen=True):
    """An endpoint ready to be called. The heads lack only the `usual` headers, content-length and the blank line."""

    endpoint: Endpoint
    origin: Origin
    head_whole: bytes
    head_stream: bytes
    usual: tuple[tuple[bytes, bytes], ...]  # the provider's own, each by its name with the colon, and its line
    deadlines: Deadlines
    secret: str = ""  # the credential in the heads, so that nothing of it is told on

    def lines(self, callers: bytes) -> bytes:
        """The header lines of one request: `callers`, and the usual ones that they leave out, for a vendor takes two
        versions of its dialect for none.
        """
        for name, line in self.usual:
            if not callers.startswith(name) and b"\n" + name not in callers:
                callers += line
        return callers


class PathOf(Protocol):
    """A dialect's path under a provider's base URL."""

    def __call__(self, model: str, *, stream: bool) -> str: ...


def build_target(
    endpoint: Endpoint, path: PathOf, secret: str | None, *, media: str | None = "application/json"
) -> Target:
    """`media` is the body's type; None: each request brings its own line. Raises Misconfigured for a base URL that is
    none.
    """
    provider = endpoint.provider
    origin, prefix = origin_of(provider.base_url)
    lines = [
        ("host", origin.authority),
        ("user-agent", _AGENT),
        *([] if media is None else [("content-type", media)]),
        *sign(provider.auth, secret),
    ]
    rest = " HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    whole, stream = (f"POST {prefix}{path(endpoint.upstream_model, stream=each)}{rest}" for each in (False, True))
    limits = provider.timeouts
    return Target(
        endpoint,
        origin,
        (whole + "accept: application/json\r\n").encode("latin-1"),
        (stream + "accept: text/event-stream\r\n").encode("latin-1"),
        tuple(_line(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in provider.headers),
        Deadlines(limits.connect, limits.first_event, limits.between_events, limits.total),
        secret or "",
    )


def _line(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    return name + b":", b"%b: %b\r\n" % (name, value)
