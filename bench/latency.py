"""Time of one request after another over one connection, several targets in turn."""

import socket
import statistics
from collections.abc import Sequence
from time import perf_counter

_HEAD_END = b"\r\n\r\n"


class LatencyProbe:
    """One kept connection that sends one prepared request."""

    def __init__(self, port: int, request: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self.times_ms: list[float] = []

    def ask(self) -> None:
        began = perf_counter()
        self._socket.sendall(self._request)
        answer = self._socket.recv(1 << 20)
        while (end := answer.find(_HEAD_END)) < 0:
            answer += self._socket.recv(1 << 20)
        whole = end + 4 + _length(answer[:end])
        got = len(answer)
        while got < whole:
            got += len(self._socket.recv(1 << 20))
        self.times_ms.append((perf_counter() - began) * 1_000)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]

    def median_ms(self) -> float:
        return statistics.median(self.times_ms)

    def close(self) -> None:
        self._socket.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise AssertionError("an answer without its length")


def in_turn(askers: Sequence[LatencyProbe], times: int) -> None:
    """Each asks once, then each again, so that a noisy moment meets all alike."""
    for _ in range(times):
        for asker in askers:
            asker.ask()


def raw_request(path: str, key: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
