"""Operations on the socket under a transport; without a socket they have no effect."""

import asyncio
import fcntl
import socket
import struct
import sys
import termios

_NO_LINGER = struct.pack("ii", 1, 0)


def peer_of(transport: asyncio.Transport) -> str:
    """Return the peer's address; "" on a unix socket."""
    address = transport.get_extra_info("peername")
    return address[0] if isinstance(address, tuple) else ""


def reset_on_close(transport: asyncio.Transport) -> None:
    """Make the close a reset (RST)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def has_unacknowledged(transport: asyncio.Transport) -> bool:
    """Return whether the upstream's kernel had not acknowledged the end of our request when its end of stream came.

    A closing peer acknowledges with its FIN all that it has received, so no program there can have read unacknowledged
    bytes.
    """
    if transport.get_write_buffer_size() > 0:
        return True
    sock = transport.get_extra_info("socket")
    if sock is None or sys.platform != "linux":
        return False
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return False
    return bool(count)
