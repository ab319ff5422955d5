"""What server and client share: headers, limits, and the errors of a connection."""

from dataclasses import dataclass

from tokenharbor.kernel.errors import HarborError

Headers = list[tuple[bytes, bytes]]
"""In order, names in lower case."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes, in bytes, counts and seconds."""

    request_line: int = 8 << 10
    headers: int = 64 << 10
    header_count: int = 100
    body: int = 32 << 20
    buffered: int = 512 << 20  # request bodies of all connections together
    head_seconds: float = 30.0  # from the first byte of a request to its whole head
    body_seconds: float = 120.0  # without any progress while a body is read
    idle_seconds: float = 75.0  # keep-alive
    write_seconds: float = 120.0  # without any progress while an answer is written
    connections: int = 10_000


class Disconnected(HarborError):
    """The peer is gone."""
