"""A provider that lies, floods or never ends: bounded memory, the documented error, and no charge above the wallet."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
import pytest_asyncio
from tests.gateway.attack import DIALECTS, PATHS, UNTOUCHED, check_refusal, watching_logs
from tests.gateway.house import HELLO, TIMERS, House
from tests.gateway.raw import RawAnswer

from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1 << 20
QUICK = 0.25
TEXT = "one two three four"
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
Play = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]
HEAD = {
    False: b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    True: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching_logs(caplog, capfd):
        yield


@pytest.fixture
def plays(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    """The vendor of the model `tape` answers like this."""
    return lambda play: monkeypatch.setattr(house.tape, "_play", play)


@pytest_asyncio.fixture(loop_scope="session")
async def hurried(house: House) -> AsyncIterator[None]:
    """The vendor of the model `tape` has little time for anything."""
    before = configured(house)
    head, found, rest = before.partition("[providers.taped]")
    assert found
    quick = ", ".join(f"{name} = {QUICK}" for name in TIMERS)
    begin, end = rest.index("timeouts = {"), rest.index("}") + 1
    configure(house, f"{head}{found}{rest[:begin]}timeouts = {{ {quick} }}{rest[end:]}")
    await house.harbor.reload()
    yield
    configure(house, before)
    await house.harbor.reload()


def configured(house: House) -> str:
    return house.settings.file.read_text()


def configure(house: House, text: str) -> None:
    house.settings.file.write_text(text)


async def ask(house: House, dialect: str, *, stream: bool, **more: Any) -> RawAnswer:
    request = {"model": "tape", "messages": HELLO, "max_tokens": 100, "stream": stream}
    return await house.post(PATHS[dialect], request | more)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Flood:
    """Writes the same bytes again and again until the gateway has had enough, or `most` bytes are out."""

    def __init__(self, head: bytes, again: bytes, most: int = 160 * MIB) -> None:
        self.head = head
        self.again = again * max(1, (1 << 16) // len(again))
        self.most = most
        self.sent = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.head)
        while self.sent < self.most:
            writer.write(self.again)
            self.sent += len(self.again)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


# ---- floods

EVENTS = {"chat": b'data: {"choices":[]}\n\n', "message": b'event: ping\ndata: {"type":"ping"}\n\n'}
GROWTH = {
    "chat": b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
    "message": b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n',
}
OVER = {
    "chat": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    "message": b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
}
SLACK = 8 * MIB  # what sockets, buffers and one turn of the loop may hold


def floods(dialect: str, stream: bool) -> dict[str, tuple[Flood, int]]:
    """What pours in, and how many bytes of it the gateway may take before it gives up."""
    head, letters = HEAD[stream], chunk(b"x" * (1 << 16))
    if not stream:
        return {
            "an answer without end": (Flood(head, letters), 64 * MIB),
            "a failure without end": (Flood(head.replace(b"200 OK", b"500 No"), letters), MIB),
        }
    return {
        "no line feed": (Flood(head, letters), MIB),
        "line feeds only": (Flood(head, chunk(b"\n" * 1000)), MIB),
        "a comment without end": (Flood(head + chunk(b": "), letters), MIB),
        "pings for ever": (Flood(head, chunk(EVENTS[dialect])), MIB),
        "one event without end": (Flood(head + chunk(GROWTH[dialect] + b"data: "), letters), 2 * MIB),
        "an ending without end": (
            Flood(head + chunk(GROWTH[dialect] + OVER[dialect]), chunk(GROWTH[dialect])),
            16 * MIB,
        ),
        "a failure without end": (Flood(head.replace(b"200 OK", b"429 No"), letters), MIB),
    }


HEADS: dict[str, Flood] = {
    "1xx for ever": Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "hints for ever": Flood(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
    "headers for ever": Flood(b"HTTP/1.1 200 OK\r\n", b"x-novel: y\r\n"),
    "one header for ever": Flood(b"HTTP/1.1 200 OK\r\nx-novel: ", b"y" * 1000),
    "a reason for ever": Flood(b"HTTP/1.1 200 ", b"y" * 1000),
    "no HTTP": Flood(b"", b"SSH-2.0-OpenSSH\r\n"),
    "nothing but line feeds": Flood(b"", b"\r\n"),
    "NUL": Flood(b"", b"\0" * 1000),
}


@DIALECTS
@STREAMS
async def test_a_flood_is_cut_off(house: House, dialect: str, stream: bool, plays: Callable[[Play], None]) -> None:
    for name, (flood, most) in floods(dialect, stream).items():
        await house.begin()
        plays(flood)
        said = await ask(house, dialect, stream=stream)
        code = "rate_limit_exceeded" if b"429" in flood.head else "upstream_error"
        if said.status == 200:
            assert said.body.rstrip().split(b"\n")[-1].count(code.encode()) == 1, name
            assert b"[DONE]" not in said.body, name
            assert b"message_stop" not in said.body, name
        else:
            check_refusal(said, dialect, 429 if b"429" in flood.head else 502, code)
        assert flood.sent <= most + SLACK, (name, flood.sent)
        if name == "an ending without end":  # it was cut for what it is too much: at most the maximum is billed
            await house.harbor.books.drain()
            available, held = await house.money()
            assert Usd.parse(available) > Usd.parse("99.9997"), name
            assert held == "0.000000000", name
        else:
            assert await house.money() == UNTOUCHED, name


@DIALECTS
@STREAMS
async def test_a_head_that_is_none(house: House, dialect: str, stream: bool, plays: Callable[[Play], None]) -> None:
    for name, flood in HEADS.items():
        flood.sent = 0
        plays(flood)
        said = await ask(house, dialect, stream=stream)
        error = check_refusal(said, dialect, 502, "upstream_error")
        assert error["provider"] == "taped"
        assert flood.sent <= SLACK, (name, flood.sent)
    assert await house.money() == UNTOUCHED


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x-novel: y\r\n"),
    "1xx": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a failure's body": (HEAD[False].replace(b"200 OK", b"500 No"), chunk(b"x")),
    "an answer": (HEAD[False], chunk(b" ")),
    "comments": (HEAD[True], chunk(b": ping\n\n")),
}


@DIALECTS
@STREAMS
@pytest.mark.usefixtures("hurried")
async def test_a_drip_ends_with_the_timer(
    house: House, dialect: str, stream: bool, plays: Callable[[Play], None]
) -> None:
    waiting = list(DRIPS.values())

    async def drip(writer: asyncio.StreamWriter) -> None:
        head, again = waiting.pop()
        writer.write(head)
        for _ in range(7):  # as many interim answers as are taken
            if writer.is_closing():  # the timer has ended it
                return
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0.1)
        await asyncio.sleep(QUICK * 10)

    plays(drip)
    for said in await asyncio.gather(*(ask(house, dialect, stream=stream) for _ in DRIPS)):
        check_refusal(said, dialect, 504, "upstream_timeout")
    assert not waiting
    assert await house.money() == UNTOUCHED


# ---- answers that lead elsewhere


@DIALECTS
@STREAMS
async def test_no_redirect_is_followed(house: House, dialect: str, stream: bool, plays: Callable[[Play], None]) -> None:
    statuses = [301, 302, 307, 308, 300, 304, 204, 299]

    async def redirect(writer: asyncio.StreamWriter) -> None:
        status = statuses.pop()
        place = f"location: {house.simulator.url}/alpha/v1/chat/completions\r\n"
        writer.write(f"HTTP/1.1 {status} Elsewhere\r\n{place}content-length: 0\r\n\r\n".encode())
        await writer.drain()

    plays(redirect)
    while statuses:
        check_refusal(await ask(house, dialect, stream=stream), dialect, 502, "upstream_error")
    assert await house.called() == []
    assert await house.money() == UNTOUCHED


async def test_a_second_answer_is_nobodys(house: House, plays: Callable[[Play], None]) -> None:
    """A vendor that answers twice does not answer the next request with it."""
    bodies = [whole("chat", text, USAGE["chat"]) for text in ("mine", "another's")]
    answers = [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(each), each) for each in bodies]

    async def twice(writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(answers))
        await writer.drain()

    for _ in range(3):
        plays(twice)
        said = await ask(house, "chat", stream=False)
        assert said.status == 502 or b"mine" in said.body


# ---- lies about usage

USAGE: dict[str, Any] = {
    "chat": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    "message": {"input_tokens": 20, "output_tokens": 5},
}
NAMES = {"chat": ("prompt_tokens", "completion_tokens"), "message": ("input_tokens", "output_tokens")}
NO_COUNTS = [
    "-1",
    "1000000000000000000",
    "9" * 30,
    "9" * 5_000,
    "1e400",
    "1e3",
    "1.5",
    '"5"',
    "true",
    "[]",
    "{}",
    "1000000001",
]
NO_USAGE = ["1", '"5"', "[]", "true", '{"tokens":5}', "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500]


def whole(dialect: str, text: str, usage: Any) -> bytes:
    """A good answer but for its usage, which may be bytes as they shall stand there."""
    if dialect == "chat":
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        answer: dict[str, Any] = {"id": "x", "object": "chat.completion", "choices": [choice]}
    else:
        answer = {"id": "x", "type": "message", "role": "assistant", "content": [{"type": "text", "text": text}]}
        answer["stop_reason"] = "end_turn"
    written = usage if isinstance(usage, bytes) else json.dumps(usage).encode()
    return json.dumps(answer).encode()[:-1] + b',"usage":%b}' % written


def streamed(dialect: str, text: str, usage: Any) -> bytes:
    written = usage if isinstance(usage, bytes) else json.dumps(usage).encode()
    said = json.dumps(text).encode()
    if dialect == "chat":
        return (
            b'data: {"id":"x","choices":[{"index":0,"delta":{"content":%b}}]}\n\n'
            b'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
            b'data: {"id":"x","choices":[],"usage":%b}\n\ndata: [DONE]\n\n' % (said, written)
        )
    events = (
        b'{"type":"message_start","message":{"id":"x"}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%b}}' % said,
        b'{"type":"content_block_stop","index":0}',
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":%b}' % written,
        b'{"type":"message_stop"}',
    )
    return b"".join(b"data: %b\n\n" % event for event in events)


def put(house: House, dialect: str, usage: Any, *, stream: bool) -> None:
    if stream:
        house.tape.put(streamed(dialect, TEXT, usage))
    else:
        house.tape.put(whole(dialect, TEXT, usage), b"application/json")


def lies(dialect: str) -> Iterator[bytes]:
    for count in NO_COUNTS:
        for liar in NAMES[dialect]:
            counts = [
                b'"%b":%b' % (name.encode(), (count if name == liar else "5").encode()) for name in NAMES[dialect]
            ]
            yield b"{%b}" % b",".join(counts)
    yield from (text.encode() for text in NO_USAGE)


@DIALECTS
@STREAMS
async def test_usage_that_cannot_be_is_not_billed(house: House, dialect: str, stream: bool) -> None:
    """Our own count of what was delivered is, and it is small."""
    for lie in lies(dialect):
        put(house, dialect, lie, stream=stream)
        said = await ask(house, dialect, stream=stream)
        assert said.status == 200, (lie[:60], said.body)
        receipt = await house.receipt(said.headers["x-request-id"])
        assert (receipt["status"], receipt["usage_source"]) == ("complete", "estimated"), lie[:60]
        assert receipt["usage_quarantined"] or NAMES[dialect][0].encode() not in lie, lie[:60]
        assert receipt["usage"]["output"] == -(-len(TEXT) // 4)
        assert Usd(0) < Usd.parse(receipt["cost_usd"]) <= Usd.parse(receipt["hold_usd"])
        assert receipt["overrun_usd"] == "0.000000000"


@DIALECTS
@STREAMS
async def test_F6_usage_beyond_the_hold_takes_no_more_than_was_held(house: House, dialect: str, stream: bool) -> None:
    """Input that the model's context holds, but not the request."""
    first, second = NAMES[dialect]
    put(house, dialect, {first: 150_000, second: 5}, stream=stream)
    other, house.payer = house.payer, await house.new_payer("0.01")
    said = await ask(house, dialect, stream=stream)
    assert said.status == 200
    receipt = await house.receipt(said.headers["x-request-id"])
    assert receipt["usage_source"] == "vendor"
    assert receipt["cost_usd"] == receipt["hold_usd"]
    assert Usd.parse(receipt["overrun_usd"]) > Usd.parse("0.1")
    house.payer = other
    assert await house.money() == UNTOUCHED


# ---- bombs

DEPTH = 100_000  # more than any decoder takes, whatever the version of Python


def bombs(dialect: str) -> dict[str, bytes]:
    arrays = b"[" * 100_000 + b"]" * 100_000
    if dialect == "chat":
        thinking = b'[{"thinking":' * DEPTH + b'"x"' + b"}]" * DEPTH
        return {
            "thinking": b'{"choices":[{"index":0,"delta":{"content":%b},"message":{"content":%b}}]}'
            % (thinking, thinking),
            "arrays": b'{"choices":[{"index":0,"delta":{"content":%b},"message":{"content":%b}}]}' % (arrays, arrays),
            "elsewhere": b'{"choices":[{"index":0,"delta":{"content":"x"}}],"novel":%b}' % arrays,
            "the error": b'{"error":%b}' % arrays,
            "a code": b'{"error":{"message":"m","code":%b}}' % (b"9" * 4_000),
        }
    return {
        "arrays": b'{"type":"content_block_delta","delta":{"text":%b},"content":%b}' % (arrays, arrays),
        "input": b'{"type":"content_block_start","content_block":{"type":"tool_use","input":%b}}' % arrays,
        "elsewhere": b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"},"novel":%b}' % arrays,
        "the error": b'{"type":"error","error":%b}' % arrays,
        "a code": b'{"type":"error","error":{"message":"m","code":%b}}' % (b"9" * 4_000),
    }


@DIALECTS
@STREAMS
async def test_bombs_in_answers_are_unreadable_answers(house: House, dialect: str, stream: bool) -> None:
    for name, bomb in bombs(dialect).items():
        for before in (b"", GROWTH[dialect]) if stream else (b"",):
            if stream:
                house.tape.put(before + b"data: %b\n\n" % bomb)
            else:
                house.tape.put(bomb, b"application/json")
            said = await ask(house, dialect, stream=stream)
            if before:
                assert said.status == 200
                assert said.ended == "complete", name
                assert said.data[-1]["error"]["code"] == "upstream_error", name
            else:
                check_refusal(said, dialect, 502, "upstream_error")
    assert await house.money() == UNTOUCHED


@DIALECTS
async def test_bombs_in_refusals_are_refusals(house: House, dialect: str, plays: Callable[[Play], None]) -> None:
    for status, code in ((400, "invalid_request"), (429, "rate_limit_exceeded"), (500, "upstream_error")):
        for content in (*bombs(dialect).values(), b"\xff" * 1000, b"[" * 60_000, b"\0", b"x" * 1_000_000):

            async def refuse(writer: asyncio.StreamWriter, status: int = status, content: bytes = content) -> None:
                writer.write(b"HTTP/1.1 %d No\r\ncontent-length: %d\r\n\r\n%b" % (status, len(content), content))
                with contextlib.suppress(ConnectionError):
                    await writer.drain()

            plays(refuse)
            said = await ask(house, dialect, stream=False)
            assert said.status == {400: 400, 429: 429, 500: 502}[status], (status, content[:60], said.body)
            check_refusal(said, dialect, said.status, said.error["code"])
            assert said.error["code"] in (code, "9" * 4_000)
    assert await house.money() == UNTOUCHED
