"""Opens wallets in a gateway's books, with the gateway's own source. `python -m bench.wallets HOME URL COUNT`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg

from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRules, add_key, create_account
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import SecretPurpose, read_or_create_root_secret
from tokenharbor.kernel.world import World, real_world
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets

_WALLET = Usd(100_000_000_000_000)  # 100,000 USD each: nobody runs dry


async def _open(home: Path, url: str, count: int) -> None:
    """Accounts with money and one key each; a key a line on stdout."""
    world = real_world()
    hashes = read_or_create_root_secret(home / "secret.key", world.entropy).derive(SecretPurpose.KEY_HASHES)
    conn = await asyncpg.connect(url)
    for number in range(count):
        email = f"bench-{world.ids.new().hex}@example.com"
        account = await create_account(conn, world, email, "token-harbor")
        key = make_key(world.entropy)
        await add_key(conn, world, hashes, account_id=account.id, key=key, rules=KeyRules(name=f"bench {number}"))
        await _give(Wallets(conn), world, account.id)
        print(key.key)
    await conn.close()


async def _give(wallets: Wallets, world: World, account: Any) -> None:
    await wallets.credit(
        Credit(world.ids.new(), world.ids.new(), account, Pool.PAID, "operator", _WALLET, world.clock.now(), "bench")
    )


if __name__ == "__main__":
    asyncio.run(_open(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
