"""The phases of a connection: each is entered as the diagram shows, and decides the meaning of the next bytes."""

import asyncio

import pytest
from tests.http.support import MemoryTransport, make_server, post, settle

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.phase import ACCEPTED, HANDLING, HEAD, IDLE, LINGERING
from tokenharbor.http.server_connection import ServerConnection

REQUEST = post("/", b"abc")


class Line:
    """A connection whose handler answers on demand."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.after = asyncio.Event()  # what the handler does once it has answered
        self.after.set()
        self.handled = 0
        accepted = make_server(self._handle).accept()
        assert isinstance(accepted, ServerConnection)
        self.connection = accepted
        self.transport = MemoryTransport(accepted)

    async def _handle(self, exchange: Exchange) -> None:
        self.handled += 1
        await exchange.read_body()
        await self.answer.wait()
        self.answer.clear()
        exchange.respond(200, b"", b"")
        await self.after.wait()

    @property
    def phase(self) -> int:
        return self.connection.phase

    async def finish(self) -> None:
        self.answer.set()
        await settle()


async def test_a_connection_goes_round_for_each_request() -> None:
    line = Line()
    assert line.phase == IDLE
    for _ in range(2):
        line.transport.feed(REQUEST[:20])
        assert line.phase == HEAD
        line.transport.feed(REQUEST[20:])
        assert line.phase == ACCEPTED
        await settle()
        assert line.phase == HANDLING
        await line.finish()
        assert line.phase == IDLE
    assert line.handled == 2


async def test_what_comes_while_a_request_is_handled_is_the_next_one() -> None:
    line = Line()
    line.transport.feed(REQUEST + REQUEST + REQUEST[:20])
    await settle()
    assert (line.phase, line.handled) == (HANDLING, 1)
    await line.finish()
    assert (line.phase, line.handled) == (HANDLING, 2)
    await line.finish()
    assert (line.phase, line.handled) == (HEAD, 2)


async def test_after_the_last_answer_nothing_begins() -> None:
    line = Line()
    line.transport.feed(post("/", b"abc", b"connection: close\r\n"))
    await settle()
    await line.finish()
    line.transport.feed(REQUEST)
    await settle()
    assert (line.phase, line.handled) == (LINGERING, 1)


@pytest.mark.parametrize("head", [b"GET nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_request_that_is_refused_is_the_last(head: bytes) -> None:
    line = Line()
    line.transport.feed(head)
    assert line.phase == LINGERING
    line.transport.feed(REQUEST)
    await settle()
    assert line.handled == 0


async def test_an_end_after_the_answer_lets_no_other_request_begin() -> None:
    line = Line()
    line.after.clear()
    line.transport.feed(REQUEST + REQUEST)
    await settle()
    await line.finish()
    assert line.phase == HANDLING
    line.connection.eof_received()
    line.after.set()
    await settle()
    assert (line.phase, line.handled) == (LINGERING, 1)


async def test_a_hang_up_before_the_task_runs_ends_the_request_unhandled() -> None:
    line = Line()
    line.transport.feed(REQUEST)
    assert line.phase == ACCEPTED
    line.transport.feed_eof()
    await settle()
    assert (line.handled, line.connection.lost) == (0, True)
