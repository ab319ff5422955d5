"""What server and client share: headers, limits, deadlines, and the errors of a connection."""

from dataclasses import dataclass
from typing import Literal

from tokenharbor.kernel.errors import HarborError

Headers = list[tuple[bytes, bytes]]
"""In order, names in lower case."""

Phase = Literal["connect", "first_event", "between_events", "total"]
"""Which of the four upstream timers ran out."""


LARGE = 32 << 10
"""Bytes from which a body is handed to the transport beside its head rather than copied behind it."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the server takes, in bytes, counts and seconds."""

    request_line: int = 8 << 10
    headers: int = 64 << 10
    header_count: int = 100
    body: int = 32 << 20
    buffered: int = 512 << 20  # request bodies of all connections together
    head_seconds: float = 30.0  # from the first byte of a request to its whole head
    body_seconds: float = 20.0  # in which a body that is read grows by `body_rate` bytes a second
    body_rate: int = 4 << 10
    idle_seconds: float = 75.0  # keep-alive
    write_seconds: float = 120.0  # without any progress while an answer is written
    linger_seconds: float = 5.0  # how long a refused request's rest is read and thrown away
    connections: int = 10_000


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The four upstream timers, in seconds. An answer that is not a stream obeys `connect` and `total` only."""

    connect: float = 5.0
    first_event: float = 300.0  # from the request sent to the first content
    between_events: float = 120.0  # from one content to the next
    total: float = 900.0  # from the call to the end of the answer


class Disconnected(HarborError):
    """The peer is gone."""


class ConnectFailed(HarborError):
    """No connection to the origin: refused, unreachable, unresolvable, or its certificate does not hold."""


class TimedOut(HarborError):
    """One of the four upstream timers ran out; `phase` says which."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(f"timeout of the upstream ({phase})")
        self.phase: Phase = phase


class BrokenAnswer(HarborError):
    """The upstream closed or reset before the end of its answer, or did not speak HTTP/1.1."""


class AnswerTooLarge(BrokenAnswer):
    """The upstream's answer is longer than the reader's limit."""
