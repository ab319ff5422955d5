"""What only the socket under a transport knows or does; a transport without one is asked in vain."""

import asyncio
import fcntl
import socket
import struct
import sys
import termios

_NO_LINGER = struct.pack("ii", 1, 0)


def peer_of(transport: asyncio.Transport) -> str:
    """The address of the other end; "" on a unix socket."""
    address = transport.get_extra_info("peername")
    return address[0] if isinstance(address, tuple) else ""


def reset_on_close(transport: asyncio.Transport) -> None:
    """Its end will not be an orderly one."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def has_unacknowledged(transport: asyncio.Transport) -> bool:
    """Whether the upstream's kernel had not acknowledged the end of our request when its end of stream came.

    A closing peer acknowledges with its FIN whatever it has received; so what is unacknowledged then, no program
    there can have read.
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
