"""The Redis client, with a real Valkey: values come back, and no failure of the server raises."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.valkey_server import ValkeyServer, running_valkey

from tokenharbor.cache.redis_check import RedisRefusal, read_persistence
from tokenharbor.cache.redis_pipe import RedisPipe
from tokenharbor.cache.redis_url import read_redis_url
from tokenharbor.cache.shared import RedisStore
from tokenharbor.kernel.errors import Misconfigured

MOST = 1 << 20
PATIENCE = 20.0


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with running_valkey() as server:
        yield server


@contextlib.asynccontextmanager
async def connected(server: ValkeyServer) -> AsyncIterator[RedisPipe]:
    pipe = RedisPipe(read_redis_url(server.url), MOST)
    pipe.start()
    try:
        await until(lambda: pipe.is_up)
        yield pipe
    finally:
        await pipe.stop()


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not seen():  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.005)


async def found(store: RedisStore, name: bytes) -> bytes:
    """What is found in the end: a busy machine may be too slow once."""
    async with asyncio.timeout(PATIENCE):
        while (value := await store.get(name)) is None:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.005)
    return value


async def test_what_is_kept_comes_back_byte_for_byte(valkey: ValkeyServer) -> None:
    async with connected(valkey) as pipe:
        store = RedisStore(pipe)
        for size in (0, 1, 300, 100_000, MOST):
            value = bytes(range(256)) * (size // 256) + b"\r\n" * (size % 2)
            store.set(b"\x00\r\n%d" % size, value, 60)
            assert await found(store, b"\x00\r\n%d" % size) == value
        assert await store.get(b"nothing") is None


async def test_calls_of_one_moment_have_their_own_replies(valkey: ValkeyServer) -> None:
    async with connected(valkey) as pipe:
        store = RedisStore(pipe)
        for number in range(500):
            store.set(b"n%d" % number, b"v%d" % number, 60)
        await found(store, b"n499")
        async with asyncio.timeout(PATIENCE):
            while True:
                values = await asyncio.gather(*[store.get(b"n%d" % number) for number in range(500)])
                assert all(value in (None, b"v%d" % number) for number, value in enumerate(values))
                if None not in values:
                    return


async def test_values_are_gone_after_their_time(valkey: ValkeyServer) -> None:
    async with connected(valkey) as pipe:
        store = RedisStore(pipe)
        store.set(b"brief", b"value", 1)
        await found(store, b"brief")
        async with asyncio.timeout(PATIENCE):
            while await store.get(b"brief") is not None:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.05)


async def test_a_frozen_server_keeps_nobody_waiting_and_is_used_again_once_it_answers() -> None:
    with running_valkey() as server:
        async with connected(server) as pipe:
            store = RedisStore(pipe)
            store.set(b"name", b"value", 60)
            await found(store, b"name")
            server.freeze()
            assert await store.get(b"name") is None
            assert not pipe.is_up
            answers = await asyncio.gather(*[store.get(b"name") for _ in range(1000)])
            assert answers == [None] * 1000, "nothing is asked while the server lags"
            server.thaw()
            assert await found(store, b"name") == b"value"


async def test_a_server_that_dies_and_comes_back_is_no_error() -> None:
    with running_valkey() as server:
        async with connected(server) as pipe:
            store = RedisStore(pipe)
            waiting = [store.get(b"name") for _ in range(10)]
            server.stop()
            assert await asyncio.gather(*waiting) == [None] * 10
            await until(lambda: not pipe.is_up)
            assert await store.get(b"name") is None
            store.set(b"name", b"value", 60)
            server.start_again()
            await until(lambda: pipe.is_up)
            store.set(b"name", b"other", 60)
            assert await found(store, b"name") == b"other"


async def test_what_speaks_no_redis_is_no_error() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pipe = RedisPipe(read_redis_url(f"redis://127.0.0.1:{port}/0"), MOST)
        pipe.start()
        await until(lambda: pipe.failures > 0)
        assert not pipe.is_up
        assert await pipe.get(b"name") is None
        await pipe.stop()


async def test_a_wrong_password_or_a_full_server_is_no_error() -> None:
    with running_valkey("--maxmemory", "1mb") as server:
        async with connected(server) as pipe:
            pipe.set(b"large", b"x" * 900_000, 60)
            assert await pipe.get(b"large") is None
            await until(lambda: pipe.is_up)  # it may have lagged
        pipe = RedisPipe(read_redis_url(f"unix://nobody:wrong@{server.socket}"), MOST)
        assert pipe._address.password
        pipe.start()
        await asyncio.sleep(0.2)
        assert not pipe.is_up
        assert await pipe.get(b"large") is None
        await pipe.stop()


@pytest.mark.parametrize(
    ("options", "fixes"),
    [((), []), (("--save", "60 1"), ['save ""']), (("--appendonly", "yes"), ["appendonly no"])],
)
async def test_the_check_says_what_would_reach_a_disk(options: tuple[str, ...], fixes: list[str]) -> None:
    with running_valkey(*options) as server:
        assert await read_persistence(read_redis_url(server.url)) == fixes


async def test_the_check_tells_of_a_server_that_is_away_or_refuses(tmp_path: object) -> None:
    with pytest.raises(OSError, match="No such file"):
        await read_persistence(read_redis_url(f"unix://{tmp_path}/none"))
    with running_valkey("--requirepass", "secret") as server:
        with pytest.raises(RedisRefusal, match="NOAUTH"):
            await read_persistence(read_redis_url(server.url))
        assert await read_persistence(read_redis_url(f"unix://:secret@{server.socket}")) == []


@pytest.mark.parametrize(
    "url", ["http://host", "redis://", "redis://host:port", "redis://host/zero", "redis://host/-1", "host:6379"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"\[redis\] url"):
        read_redis_url(url)


def test_an_address_shows_no_password() -> None:
    address = read_redis_url("rediss://me:secr%40et@host:7000/3")
    assert (address.tls, address.user, address.password, address.database) == (True, "me", "secr@et", 3)
    assert "secr" not in repr(address) + address.shown
