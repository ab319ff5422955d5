"""Shared parts of server and client: headers, limits, deadlines, and connection errors."""

from dataclasses import dataclass
from typing import Literal

from tokenharbor.kernel.errors import HarborError

Headers = list[tuple[bytes, bytes]]
"""Name and value pairs in order, names in lower case."""

Phase = Literal["connect", "first_event", "between_events", "total"]
"""The four upstream timers."""


LARGE = 32 << 10
"""From this size in bytes, a body is passed to the transport separately instead of copied behind its head."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The server's limits, in bytes, counts and seconds."""

    request_line: int = 8 << 10
    headers: int = 64 << 10
    header_count: int = 100
    body: int = 32 << 20
    buffered: int = 512 << 20  # request bodies of all connections together
    head_seconds: float = 30.0  # from the first byte of a request to its whole head
    body_seconds: float = 20.0  # over which an awaited body must grow by `body_rate` bytes a second on average
    body_rate: int = 4 << 10
    idle_seconds: float = 75.0  # keep-alive
    write_seconds: float = 120.0  # without progress while an answer is written
    linger_seconds: float = 5.0  # reading and discarding the rest of a refused request
    connections: int = 10_000


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The four upstream timers, in seconds. Only `connect` and `total` apply to an answer that is not a stream."""

    connect: float = 5.0
    first_event: float = 300.0  # from the sent request to the first content
    between_events: float = 120.0  # from one content to the next
    total: float = 900.0  # from the call to the end of the answer


class Disconnected(HarborError):
    """The peer has disconnected."""


class ConnectFailed(HarborError):
    """No connection to the origin: refused, unreachable, unresolvable, or an invalid certificate."""


class TimedOut(HarborError):
    """One of the four upstream timers ran out; `phase` says which."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(f"timeout of the upstream ({phase})")
        self.phase: Phase = phase


class BrokenAnswer(HarborError):
    """The upstream closed or reset the connection before the end of its answer, or sent invalid HTTP/1.1."""


class AnswerTooLarge(BrokenAnswer):
    """The upstream's answer exceeds the reader's limit."""
