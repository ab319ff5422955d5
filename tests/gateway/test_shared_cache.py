"""Cached answers shared by gateways in a real Valkey, where nothing of them can be read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import hiredis
import pytest
from tests.gateway.attack import rows_holding
from tests.gateway.house import House
from tests.gateway.test_hang_ups import until
from tests.valkey_server import ValkeyServer, running_valkey

from tokenharbor.cache.redis_pipe import RedisPipe
from tokenharbor.cache.redis_url import command, read_redis_url
from tokenharbor.cache.shared import RedisStore

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARK = "zqxjkcanaryvwpf"


@contextlib.asynccontextmanager
async def sharing(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[ValkeyServer, RedisPipe]]:
    """The house's gateway keeps its answers in a Valkey, too."""
    house.keep_answers()
    with running_valkey() as server:
        pipe = RedisPipe(read_redis_url(server.url), 1 << 20)
        pipe.start()
        await until(lambda: pipe.is_up)
        monkeypatch.setattr(house.parts.caching.exact, "shared", RedisStore(pipe))
        try:
            yield server, pipe
        finally:
            monkeypatch.undo()
            await pipe.stop()


async def said(server: ValkeyServer, *words: str) -> object:
    """The server's reply."""
    reader, writer = await asyncio.open_unix_connection(str(server.socket))
    writer.write(command(*words))
    replies = hiredis.Reader()
    while (reply := replies.gets()) is False:
        replies.feed(await reader.read(1 << 20))
    writer.close()
    await writer.wait_closed()
    return reply


async def layer(house: House, text: str, **more: object) -> str:
    answer = await house.chat(messages=[{"role": "user", "content": text}], **more)  # type: ignore[arg-type]
    assert answer.status == 200, answer.body
    return answer.headers["x-tokenharbor-cache"]


async def kept(server: ValkeyServer, count: int) -> None:
    async with asyncio.timeout(20):
        while await said(server, "DBSIZE") != count:  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0.01)


async def from_elsewhere(house: House, text: str) -> None:
    """It is found in the end by a gateway whose own memory is empty: a busy machine may be too slow once."""
    async with asyncio.timeout(20):
        while True:
            house.parts.caching.exact.memory.clear()
            if await layer(house, text) == "exact":
                return


async def test_another_gateway_gives_the_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sharing(house, monkeypatch) as (server, _):
        assert await layer(house, "one") == "none"
        await kept(server, 1)
        await from_elsewhere(house, "one")
        assert len(house.parts.caching.exact.memory) == 0, "it is not kept for longer here"
        house.payer = await house.new_payer()
        assert await layer(house, "one") == "none"


async def test_a_server_that_is_slow_or_gone_costs_an_answer_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sharing(house, monkeypatch) as (server, pipe):
        await layer(house, "one")
        await kept(server, 1)
        house.parts.caching.exact.memory.clear()
        server.freeze()
        assert await layer(house, "one") == "none"
        assert await layer(house, "one") == "exact", "this gateway has its own"
        server.stop()
        await until(lambda: not pipe.is_up)
        assert await layer(house, "two") == "none"
        assert await layer(house, "two") == "exact"


async def test_what_somebody_wrote_over_it_is_no_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sharing(house, monkeypatch) as (server, pipe):
        await layer(house, "one")
        await kept(server, 1)
        (name,) = house.parts.caching.exact.memory._entries
        house.parts.caching.exact.memory.clear()
        pipe.set(b"tokenharbor:answer:" + name, b"x" * 500, 60)
        await until(lambda: not pipe._waiting)
        assert await layer(house, "one") == "none"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_nothing_can_be_read_on_disk_in_the_database_or_in_the_server(
    house: House, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    house.script(f'answer = {{ text = "{MARK} answers" }}\n')
    async with sharing(house, monkeypatch) as (server, _):
        first = await house.chat(messages=[{"role": "user", "content": MARK}], user=MARK, stream=stream)
        assert MARK.encode() in first.body
        await kept(server, 1)
        again = await house.chat(messages=[{"role": "user", "content": MARK}], user=MARK, stream=stream)
        assert (again.headers["x-tokenharbor-cache"], MARK.encode() in again.body) == ("exact", True)
        await house.harbor.books.drain()
        assert await said(server, "SAVE") == b"OK"
        dumped = (server.folder / "dump.rdb").read_bytes()
        assert b"tokenharbor:answer:" in dumped
        assert MARK.encode() not in dumped
    assert await rows_holding(house, [MARK]) == []
    files = [path for path in house.settings.home.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if MARK.encode() in path.read_bytes()] == []
