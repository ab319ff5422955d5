"""An upstream's location: host, port and transport, read from a base URL."""

from urllib.parse import unquote, urlsplit

import msgspec

from tokenharbor.kernel.errors import Misconfigured


class Origin(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """An origin, for which connections are pooled. With `unix`, the path of a socket, host and port are only names."""

    host: str
    port: int
    tls: bool = False
    unix: str | None = None

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def origin_of(url: str) -> tuple[Origin, str]:
    """Return a base URL's origin and its path prefix, without a trailing slash. Raises Misconfigured.

    `http://127.0.0.1:9101/v1` → port 9101 and `/v1`; `http+unix://%2Frun%2Fconsole.sock` → that socket.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"not a base URL: {url!r}: {error}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misconfigured(f"a base URL must not have a user, query or fragment: {parts.scheme}://{parts.hostname}")
    prefix = parts.path.rstrip("/")
    if not prefix.isascii() or any(letter <= " " for letter in prefix):
        raise Misconfigured(f"the path of a base URL must be ASCII: {url!r}")
    if parts.scheme == "http+unix" and parts.netloc:
        return Origin("localhost", 80, unix=unquote(parts.netloc)), prefix
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured(f"a base URL must begin with http:// or https:// and a host: {url!r}")
    tls = parts.scheme == "https"
    return Origin(parts.hostname, port or (443 if tls else 80), tls), prefix
