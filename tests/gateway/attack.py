"""Shared parts of attack tests: canaries that must appear nowhere, checks of refusals, servers with small limits."""

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import pytest
from tests.gateway import raw
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import RawAnswer

from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.world import real_world

CANARY: Final = "quokka7Xq2vellichor"
"""Stands wherever a caller or a vendor may write content."""

UNTOUCHED: Final = ("100.000000000", "0.000000000")
PATHS: Final = {
    "chat": CHAT,
    "response": RESPONSES,
    "message": MESSAGES,
    "gemini": "/v1beta/models/solo:generateContent",
}
DIALECTS = pytest.mark.parametrize("dialect", ["chat", "message"])
EVERY_DIALECT = pytest.mark.parametrize("dialect", PATHS)

_LONGEST_REFUSAL = 2_000
_NEVER_SAID = ("Traceback", ".py", "asyncpg", "msgspec", "tokenharbor.", "site-packages", "/src/")


def body(**fields: Any) -> bytes:
    """A good request with the canary as its content, and more or other fields."""
    good = {"model": "solo", "messages": [{"role": "user", "content": CANARY}], "max_tokens": 100}
    return json.dumps(good | fields).encode()


def in_dialect_of(dialect: str, content: bytes) -> bytes:
    """The same where a dialect has other names for the conversation and the maximum."""
    if dialect == "gemini":
        return content.replace(b'"messages"', b'"contents"')
    if dialect != "response":
        return content
    return content.replace(b'"messages"', b'"input"').replace(b'"max_tokens"', b'"max_output_tokens"')


def with_raw(name: str, value: bytes) -> bytes:
    """A good request with one more field, or with other bytes for one that it has."""
    good: dict[str, Any] = {"model": "solo", "messages": HELLO, "max_tokens": 100}
    members = {each: json.dumps(value).encode() for each, value in good.items()} | {name: value}
    return b"{%b}" % b",".join(b'"%b":%b' % (each.encode(), written) for each, written in members.items())


def check_refusal(said: RawAnswer, dialect: str, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """The contract's error in the dialect of the path, short, about nothing of ours and without content."""
    text = said.body.decode()
    assert said.status == status, text
    assert said.ended == "complete"
    assert said.headers["content-type"] == "application/json"
    assert said.headers["x-request-id"].startswith("req_")
    assert len(text) < _LONGEST_REFUSAL, text
    assert CANARY not in text, text
    assert not any(word in text for word in _NEVER_SAID), text
    document = json.loads(text)
    error: dict[str, Any] = document["error"]
    if dialect == "gemini":
        error = _in_our_words(error, status)
    assert error["code"] == code, text
    assert error["message"], text
    if dialect == "message":
        assert document["type"] == "error"
        assert document["request_id"] == said.headers["x-request-id"]
        assert {"type", "message", "code"} <= error.keys() <= {"type", "message", "code", "param", "provider"}
    else:
        assert document.keys() == {"error"}
        assert {"type", "message", "code", "param"} <= error.keys() <= {"type", "message", "code", "param", "provider"}
    if param is not None:
        assert error["param"] == param, text
    return error


def _in_our_words(error: dict[str, Any], status: int) -> dict[str, Any]:
    """Gemini's clients find our code and the field in the details."""
    assert error.keys() == {"code", "message", "status", "details"}
    assert error["code"] == status
    info = error["details"][0]
    return {"param": None, "message": error["message"], "code": info["reason"], **info["metadata"]}


async def check_untouched(house: House) -> None:
    """No vendor was called, nothing was billed, nothing is held, and no request stands in the books."""
    assert await house.money() == UNTOUCHED
    assert await house.called() == []
    assert not house.tape.asked
    assert (await house.get("/v1/requests")).json()["data"] == []


@dataclass(frozen=True)
class LogWatcher:
    """Sees all that the process says beside its answers."""

    caplog: pytest.LogCaptureFixture
    capfd: pytest.CaptureFixture[str]

    def said(self) -> str:
        streams = self.capfd.readouterr()
        return "\n".join((*(record.getMessage() for record in self.caplog.records), streams.out, streams.err))


@contextlib.contextmanager
def watching_logs(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], *secrets: str) -> Iterator[None]:
    """No crash, no warning and none of the secrets in any log, whatever happens meanwhile."""
    caplog.set_level(logging.DEBUG)
    yield
    said = LogWatcher(caplog, capfd).said()
    for secret in (CANARY, *secrets):
        assert secret not in said, said
    loud = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not loud, [record.getMessage() for record in loud]
    assert "crashed" not in said
    assert "Traceback" not in said


@contextlib.asynccontextmanager
async def server(house: House, limits: ServerLimits, proxies: Sequence[str] = ()) -> AsyncIterator[int]:
    """The house's gateway behind other limits; the port."""
    async with counting_server(house, limits, proxies) as (port, _):
        yield port


@contextlib.asynccontextmanager
async def counting_server(
    house: House, limits: ServerLimits, proxies: Sequence[str] = ()
) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """Likewise; the port, and how many bytes of bodies are buffered."""
    ours = house.harbor.server
    refuse = ours._shared.hooks.refuse
    more = Server(ours._handler, limits, real_world().clock, trusted_proxies=proxies, refuse=refuse)
    port = await more.start("127.0.0.1", 0)
    try:
        yield port, lambda: more._shared.buffered
    finally:
        await more.drain(0.1)


async def send(port: int, path: str, key: str, lines: str, content: bytes) -> RawAnswer:
    """A POST with these header lines, each with its CRLF, and these bytes after them."""
    head = f"POST {path} HTTP/1.1\r\nhost: harbor\r\nx-api-key: {key}\r\nconnection: close\r\n{lines}\r\n"
    return raw.read_answer(await raw.send_bytes(port, head.encode("latin-1") + content))


async def rows_holding(house: House, words: Sequence[str]) -> list[str]:
    """The tables and columns of the database in which any of the words stands, as text or as bytes."""
    conn = await asyncpg.connect(house.settings.environ["TOKENHARBOR_DATABASE_URL"])
    try:
        tables = await conn.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        found = []
        for table in tables:
            rows = await conn.fetch(f"select t::text as line from {table['name']} t")  # noqa: S608  no name of a caller's
            for row in rows:
                found += [f"{table['name']}: {word}" for word in words if _holds(row["line"], word)]
        return found
    finally:
        await conn.close()


def _holds(line: str, word: str) -> bool:
    """Bytes are shown as hexadecimal digits."""
    return word in line or word.encode().hex() in line
