"""Live pages: each follows the events of an account of its own. `python -m bench.watchers HOME URL PORT COUNT`."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from tokenharbor.identity.keys import MANAGEMENT_PREFIX, make_key
from tokenharbor.identity.management_keys import ManagementKey, add_management_key
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.secret import SecretPurpose, read_or_create_root_secret
from tokenharbor.kernel.world import real_world

_ACCOUNTS = "SELECT account_id FROM api_key WHERE name LIKE 'bench %' ORDER BY length(name), name LIMIT $1"


async def _keys(home: Path, url: str, count: int) -> dict[str, str]:
    """A management key for each of the first accounts."""
    world = real_world()
    hashes = read_or_create_root_secret(home / "secret.key", world.entropy).derive(SecretPurpose.KEY_HASHES)
    conn, keys = await asyncpg.connect(url), {}
    for row in await conn.fetch(_ACCOUNTS, count):
        made = make_key(world.entropy, MANAGEMENT_PREFIX)
        key = ManagementKey(
            id=world.ids.new(),
            account_id=row["account_id"],
            created_by=None,
            first4=made.first4,
            last4=made.last4,
            name="bench",
            role=AccountRole.VIEWER,
            created_at=world.clock.now(),
            expires_at=None,
        )
        await add_management_key(conn, hashes, key, made)
        keys[ids.show("acct", row["account_id"])] = made.key
    await conn.close()
    return keys


async def _follow(port: int, account: str, key: str, began: asyncio.Semaphore) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /api/accounts/{account}/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"event: balance")
    began.release()
    while await reader.read(65_536):
        pass
    sys.exit("a page lost its events")


async def _watch(home: Path, url: str, port: int, count: int) -> None:
    began = asyncio.Semaphore(0)
    pages = [
        asyncio.create_task(_follow(port, account, key, began))
        for account, key in (await _keys(home, url, count)).items()
    ]
    for _ in pages:
        await began.acquire()
    print(f"open: {len(pages)} pages", flush=True)
    await asyncio.gather(*pages)


if __name__ == "__main__":
    asyncio.run(_watch(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
