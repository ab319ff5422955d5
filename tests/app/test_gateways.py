"""`gateways`: the list of runs, and the refusal to abandon a live gateway."""

import asyncio

import asyncpg
from tests.app.conftest import Cli

from tokenharbor.kernel import ids
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.gateways import GatewaySlot, enter_gateway


async def _enter(url: str) -> str:
    world = real_world()
    gateway_id = world.ids.new()
    async with asyncpg.create_pool(url, min_size=0, max_size=1) as pool:
        await enter_gateway(pool, world, GatewaySlot(gateway_id), "/home/a")
    return ids.show("gw", gateway_id)


async def _lapse(url: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute("update gateway set alive_until = '-infinity'")
    await conn.close()


def test_a_gateway_is_listed_and_given_up_once_it_has_lapsed(cli: Cli, database_url: str) -> None:
    assert cli("accounts", "create", "--email", "a@example.com").code == 0  # HOME begins
    gateway = asyncio.run(_enter(database_url))
    (shown,) = cli("gateways", "list", "--json").json
    assert (shown["gateway"], shown["slot"], shown["epoch"], shown["state"]) == (gateway, 0, 1, "alive")
    assert (shown["home"], shown["holds"], shown["held_usd"]) == ("/home/a", 0, "0.000000000")
    refused = cli("gateways", "abandon", gateway)
    assert (refused.code, gateway in refused.err) == (1, True)
    asyncio.run(_lapse(database_url))
    given = cli("gateways", "abandon", gateway, "--json").json
    assert given == {"gateway": gateway, "runs": 1, "holds": 0, "given_up_usd": "0.000000000"}
    assert cli("gateways", "list", "--json").json == []
    assert cli("gateways", "abandon", gateway).code == 1
