"""Limits on shared resources: exports that are not read, and live pages."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from tests.console.asgi import ask
from tests.console.conftest import Office
from tests.http.support import until

from tokenharbor.console.exports import MOST_EXPORTS, Exports
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.errors import RateLimited
from tokenharbor.kernel.ids import UUID

LINE = "x" * 1000 + "\n"


async def endless(conn: asyncpg.Connection) -> AsyncGenerator[str]:
    while True:
        await conn.fetchval("SELECT 1")
        yield LINE


async def short(conn: asyncpg.Connection) -> AsyncGenerator[str]:
    yield await conn.fetchval("SELECT 'all'")


async def whole(exports: Exports, pool: asyncpg.Pool, account_id: UUID) -> bytes:
    return b"".join([piece async for piece in exports.pieces(pool, account_id, short)])


async def test_an_export_that_nobody_reads_gives_its_connection_back_and_breaks_off(
    office: Office, pool: asyncpg.Pool
) -> None:
    exports, account_id = Exports(reader_seconds=0.05), office.account.id
    pieces = exports.pieces(pool, account_id, endless)
    first = await anext(pieces)
    assert first.startswith(LINE.encode())
    await until(lambda: exports.count == 0)
    assert await whole(exports, pool, account_id) == b"all", "others have its place"
    with pytest.raises(TimeoutError):  # and it does not end as if it were whole
        [piece async for piece in pieces]


async def test_exports_are_few_and_one_of_an_account(office: Office, pool: asyncpg.Pool) -> None:
    exports, new = Exports(), office.context.world.ids.new
    mine, theirs = exports.pieces(pool, account_id := new(), endless), exports.pieces(pool, new(), endless)
    await anext(mine)
    with pytest.raises(RateLimited, match="this account"):
        await whole(exports, pool, account_id)
    await anext(theirs)
    assert exports.count == MOST_EXPORTS
    with pytest.raises(RateLimited, match="Too many exports"):
        await whole(exports, pool, new())
    await mine.aclose()
    assert await whole(exports, pool, new()) == b"all"
    await theirs.aclose()
    assert exports.count == 0


async def test_an_export_that_fails_is_told_before_its_first_line(office: Office, pool: asyncpg.Pool) -> None:
    async def fails(conn: asyncpg.Connection) -> AsyncGenerator[str]:
        yield await conn.fetchval("SELECT no_such_column")

    exports = Exports()
    with pytest.raises(asyncpg.UndefinedColumnError):
        await anext(exports.pieces(pool, office.account.id, fails))
    assert exports.count == 0


async def test_exports_leave_connections_to_pages(office: Office) -> None:
    viewer = office.member(AccountRole.VIEWER)
    exports, pool = office.context.exports, office.context.heavy_pool
    busy = [exports.pieces(pool, office.context.world.ids.new(), endless) for _ in range(MOST_EXPORTS)]
    for each in busy:
        await anext(each)
    said = await viewer.get(f"{office.account_path}/usage.csv")
    assert (said.status_code, said.headers["retry-after"]) == (429, "5")
    assert (await viewer.get(f"{office.account_path}/requests")).status_code == 200
    for each in busy:
        await each.aclose()
    assert (await viewer.get(f"{office.account_path}/usage.csv")).status_code == 200
    assert exports.count == 0


async def test_live_pages_of_an_account_are_many_but_not_without_end(office: Office) -> None:
    live, account_id = office.context.live, office.account.id
    async with AsyncExitStack() as pages:
        for _ in range(200):
            await pages.enter_async_context(live.watch(account_id))
        assert await status(office, office.member(AccountRole.VIEWER)) == 429
        with pytest.raises(RateLimited):
            await pages.enter_async_context(live.watch(account_id))
    assert await status(office, office.member(AccountRole.VIEWER)) == 200


async def status(office: Office, viewer: Any) -> int:
    headers = {"cookie": f"__Host-th={viewer.session}", "host": "localhost:8080"}
    return (await ask(office.app, "GET", f"{office.account_path}/events", headers, streams=True)).status
