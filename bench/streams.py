"""Many streams read at once: how many chunks came, and whether each stream came to its end."""

import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep

_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Marks:
    """What every chunk holds once, and what stands at the end of a whole stream: the shorter of them."""

    chunk: bytes
    end: bytes


CHAT_MARKS = Marks(b'"delta":{"content":" ', b"[DONE]")
MESSAGES_MARKS = Marks(b'"delta":{"type":"text_delta","text":" ', b'"message_stop"')


@dataclass(slots=True)
class Stream:
    """What one reader has seen."""

    socket: socket.socket
    marks: Marks
    chunks: int = 0
    tail: bytes = b""
    status: bytes = b""
    last_at: float = 0.0
    longest_gap: float = 0.0  # seconds from one chunk to the next

    def read(self) -> bool:
        """Take what has come; True at the end."""
        data = self.socket.recv(65536)
        if not self.status:
            self.status = data[9:12]
        seen, now = self.tail + data, perf_counter()
        if self.last_at:
            self.longest_gap = max(self.longest_gap, now - self.last_at)
        self.last_at = now
        self.chunks += seen.count(self.marks.chunk)
        self.tail = seen[-(len(self.marks.chunk) - 1) :]  # too short to be counted twice
        return not data or self.status != b"200" or self.tail.endswith(_END)

    @property
    def complete(self) -> bool:
        return self.status == b"200" and self.marks.end in self.tail


@dataclass(frozen=True, slots=True)
class Streamed:
    """`complete` are the streams that were read to their terminator; the gap is the longest between two chunks."""

    complete: int
    chunks: int
    seconds: float
    longest_gap: float


def read_streams(
    port: int, request: bytes, marks: Marks, count: int, while_open: Callable[[], None] = lambda: None
) -> Streamed:
    """Open `count` streams, and read them to their ends; `while_open` is called once all have begun."""
    began = perf_counter()
    poll = select.epoll()
    streams: dict[int, Stream] = {}
    for number in range(count):
        stream = Stream(_ask(port, request), marks)
        streams[stream.socket.fileno()] = stream
        poll.register(stream.socket.fileno(), select.EPOLLIN)
        if number % 50 == 49:
            sleep(0.01)  # a burst of everyone at once is not what is asked here
    _read_all(poll, streams, while_open)
    for stream in streams.values():
        stream.socket.close()
    complete = sum(stream.complete for stream in streams.values())
    chunks, longest_gap = (
        sum(stream.chunks for stream in streams.values()),
        max(s.longest_gap for s in streams.values()),
    )
    return Streamed(complete, chunks, perf_counter() - began, longest_gap)


def _ask(port: int, request: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), 10)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.sendall(request)
    return made


def _read_all(poll: select.epoll, streams: dict[int, Stream], while_open: Callable[[], None]) -> None:
    left, waiting = len(streams), set(streams)
    while left:
        ready = poll.poll(30)
        assert ready, "the streams stand still"
        for number, _ in ready:
            waiting.discard(number)
            if streams[number].read():
                poll.unregister(number)
                left -= 1
        if not waiting:
            waiting.add(-1)  # once is enough
            while_open()
