"""The listening sockets of several workers: one each on the same port, so that the kernel spreads connections."""

import errno
import socket
from collections.abc import Sequence

from tokenharbor.kernel.errors import Misconfigured


def cannot_listen(host: str, port: int, error: OSError) -> Misconfigured:
    """Return the error for a failed bind, with what to do."""
    why = error.strerror
    if error.errno == errno.EADDRINUSE:
        why = "the address is in use; stop the program that listens there, or choose another --port"
    return Misconfigured(f"cannot listen on {host}:{port}: {why}")


def show_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind_listeners(host: str, port: int, count: int) -> Sequence[Sequence[socket.socket]]:
    """Return, for each worker, a socket for each address of the host, bound but not listening. Port 0 picks a free one.

    Raises Misconfigured.
    """
    made: list[list[socket.socket]] = [[] for _ in range(count)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            if port:
                _bind(family, (address[0], port, *address[2:])).close()  # fails where another server listens
            for sockets in made:
                bound = _bind(family, (address[0], port, *address[2:]), shared=True)
                sockets.append(bound)
                port = port or bound.getsockname()[1]
    except OSError as error:
        close_listeners(made)
        raise cannot_listen(host, port, error) from None
    return made


def close_listeners(listeners: Sequence[Sequence[socket.socket]]) -> None:
    for sockets in listeners:
        for each in sockets:
            each.close()


def _bind(family: int, address: tuple[object, ...], *, shared: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.setblocking(False)  # noqa: FBT003  its signature
    except BaseException:
        made.close()
        raise
    return made
