"""Holds a REPEATABLE READ snapshot open until it is ended. `python -m bench.snapshot URL`."""

import asyncio
import sys

import asyncpg


async def _hold(url: str) -> None:
    conn = await asyncpg.connect(url, server_settings={"idle_in_transaction_session_timeout": "0"})
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        seen = await conn.fetchval("SELECT count(*) FROM wallet")
        print(f"open over {seen} wallets", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold(sys.argv[1]))
