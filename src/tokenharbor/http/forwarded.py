"""The client's address behind proxies: the right-most untrusted address of X-Forwarded-For."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tokenharbor.http.message import Headers
from tokenharbor.kernel.errors import Misconfigured

UNIX = "unix"
"""In the list of trusted proxies, any peer on a unix socket."""


class TrustedProxies:
    """The proxies whose X-Forwarded-For is trusted: addresses, networks, or `unix`."""

    __slots__ = ("_networks", "_unix")

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._unix = UNIX in networks
        try:
            self._networks = tuple(ip_network(text) for text in networks if text != UNIX)
        except ValueError as error:
            raise Misconfigured(f"server.trusted_proxies: {error}") from None

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def client(self, peer: str, headers: Headers) -> str:
        """Return the client's address; `peer` is the socket's, "" on a unix socket.

        An invalid entry ends the search: no trusted proxy confirms the entries to its left.
        """
        if not self.trusts(peer):
            return peer
        chain = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        for entry in reversed(chain.split(b",")):
            address = _read_address(entry)
            if address is None:
                return peer
            peer = address
            if not self.trusts(peer):
                return peer
        return peer

    def trusts(self, peer: str) -> bool:
        """Return whether the address is a trusted proxy; "" is a unix socket."""
        if not peer:
            return self._unix
        address = _plain(ip_address(peer))
        return any(address in network for network in self._networks)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return an IPv4-mapped IPv6 address as IPv4."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _read_address(entry: bytes) -> str | None:
    """Read `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`; None for anything else."""
    text = entry.strip().decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(_plain(ip_address(text)))
    except ValueError:
        return None
