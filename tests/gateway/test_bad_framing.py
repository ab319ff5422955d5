"""Bodies with a wrong length, bad chunks or encodings, or without an end: bounded, refused, and harmless."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.gateway import raw
from tests.gateway.attack import (
    DIALECTS,
    PATHS,
    UNTOUCHED,
    body,
    check_refusal,
    check_untouched,
    counting_server,
    send,
    server,
    watching_logs,
)
from tests.gateway.house import ANSWER, HELLO, House
from tests.gateway.raw import RawAnswer
from tests.http.support import until

from tokenharbor.http.message import ServerLimits

pytestmark = pytest.mark.asyncio(loop_scope="session")


KIB = 1 << 10
GOOD = body()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching_logs(caplog, capfd):
        yield


# ---- sizes and framing

SMALL = ServerLimits(body=64 * KIB, buffered=96 * KIB, head_seconds=0.2, body_seconds=0.2)


LARGE_BODY = body(novel="x" * 65 * KIB)


def chunked(content: bytes, size: int = 4_000) -> bytes:
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@DIALECTS
@pytest.mark.parametrize("how", ["length", "chunks", "chunks without end", "length alone", "length, and continue"])
async def test_a_body_over_the_limit(house: House, dialect: str, how: str) -> None:
    lines, content = {
        "length": (f"content-length: {len(LARGE_BODY)}\r\n", LARGE_BODY),
        "chunks": ("transfer-encoding: chunked\r\n", chunked(LARGE_BODY)),
        "chunks without end": ("transfer-encoding: chunked\r\n", chunked(LARGE_BODY)[:-7]),
        "length alone": ("content-length: 65537\r\n", b""),
        "length, and continue": ("content-length: 65537\r\nexpect: 100-continue\r\n", b""),
    }[how]
    async with server(house, SMALL) as port:
        said = await send(port, PATHS[dialect], house.payer.key, lines, content)
    check_refusal(said, dialect, 413, "request_too_large")
    assert said.headers["connection"] == "close"
    await check_untouched(house)


@DIALECTS
async def test_the_limit_in_force_is_32_mib(house: House, dialect: str) -> None:
    for length in ((32 << 20) + 1, 1 << 60, (1 << 64) - 1):
        said = await send(house.port, PATHS[dialect], house.payer.key, f"content-length: {length}\r\n", b"")
        check_refusal(said, dialect, 413, "request_too_large")
    await check_untouched(house)


@DIALECTS
async def test_chunks_may_be_small_but_not_without_end(house: House, dialect: str) -> None:
    """Each costs us far more than it costs whoever sends it."""
    lines = "transfer-encoding: chunked\r\n"
    said = await send(house.port, PATHS[dialect], house.payer.key, lines, chunked(body(user="x" * 500), size=1))
    assert said.status == 200, said.body
    await house.begin()
    large = body(user="x" * 40 * KIB)
    said = await send(house.port, PATHS[dialect], house.payer.key, lines, chunked(large, size=1))
    check_refusal(said, dialect, 400, "invalid_request")
    await check_untouched(house)
    said = await send(house.port, PATHS[dialect], house.payer.key, lines, chunked(large, size=100))
    assert said.status == 200, said.body


@DIALECTS
@pytest.mark.parametrize(
    "garbage",
    [
        b"ten\r\n" + GOOD,
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhello world\r\n0\r\n\r\n",
        b"\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"5;" + b"x" * 5_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 5_000 + b"\r\n",
    ],
)
async def test_chunks_that_are_none(house: House, dialect: str, garbage: bytes) -> None:
    said = await send(house.port, PATHS[dialect], house.payer.key, "transfer-encoding: chunked\r\n", garbage)
    check_refusal(said, dialect, 400, "invalid_request")
    await check_untouched(house)


@DIALECTS
async def test_a_body_that_stops_coming_is_given_up(house: House, dialect: str) -> None:
    async with server(house, SMALL) as port:
        head = f"POST {PATHS[dialect]} HTTP/1.1\r\nhost: harbor\r\nx-api-key: {house.payer.key}\r\n"
        for lines, begun in (
            (f"content-length: {len(GOOD)}\r\n", GOOD[:-1]),
            ("transfer-encoding: chunked\r\n", chunked(GOOD)[:-3]),
        ):
            assert await raw.send_bytes(port, f"{head}{lines}\r\n".encode() + begun) == b""
    await check_untouched(house)


async def test_large_bodies_together_are_bounded(house: House) -> None:
    """By what has come of them: whoever only says that much will come keeps nobody out."""
    async with counting_server(house, ServerLimits(body=64 * KIB, buffered=96 * KIB)) as (port, buffered):
        lines = f"content-length: {60 * KIB}\r\n"
        idle = [await begin(port, house.payer.key, lines, b"") for _ in range(20)]
        length = f"content-length: {len(GOOD)}\r\n"
        assert (await send(port, PATHS["chat"], house.payer.key, length, GOOD)).status == 200
        busy = [await begin(port, house.payer.key, lines, b"x" * 46 * KIB) for _ in range(2)]
        await until(lambda: buffered() >= 92 * KIB)
        said = await send(port, PATHS["chat"], house.payer.key, lines, b"x" * 59 * KIB)
        check_refusal(said, "chat", 503, "unavailable")
        assert said.headers["retry-after"] == "1"
        for writer in (*idle, *busy):
            writer.close()
            await writer.wait_closed()
        await until(lambda: not buffered())
        assert (await send(port, PATHS["chat"], house.payer.key, length, GOOD)).status == 200


async def begin(port: int, key: str, lines: str, content: bytes) -> asyncio.StreamWriter:
    """A request whose body is wanted, of which so much is sent and no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {PATHS['chat']} HTTP/1.1\r\nhost: harbor\r\nx-api-key: {key}\r\n{lines}expect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    writer.write(content)
    await writer.drain()
    return writer


@DIALECTS
async def test_an_encoded_body(house: House, dialect: str) -> None:
    for encoding in ("gzip", "br", "deflate", "zstd", "x-novel", "gzip, identity", ""):
        said = await house.post(PATHS[dialect], GOOD, {"content-encoding": encoding})
        check_refusal(said, dialect, 415, "unsupported_encoding")
    await check_untouched(house)


@DIALECTS
async def test_the_content_type_is_not_what_makes_it_json(house: House, dialect: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "\xff", ""):
        for content, status in ((GOOD, 200), (b"--x\r\n" + GOOD, 400)):
            lines = f"content-type: {kind}\r\ncontent-length: {len(content)}\r\n"
            said = await send(house.port, PATHS[dialect], house.payer.key, lines, content)
            assert said.status == status, said.body


@DIALECTS
async def test_an_upgrade_is_refused_at_once(house: House, dialect: str) -> None:
    lines = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n"
    check_refusal(await send(house.port, PATHS[dialect], house.payer.key, lines, b""), dialect, 426, "upgrade_required")


# ---- ends


@DIALECTS
async def test_after_all_this_an_ordinary_request_is_served(house: House, dialect: str) -> None:
    house.script(ANSWER)
    said: RawAnswer = await house.post(PATHS[dialect], body(messages=HELLO))
    assert said.status == 200
    assert (await house.money()) != UNTOUCHED
