"""`ledger sign`, `ledger roots`, `ledger verify --roots` and `receipt verify`, as an operator runs them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.app.conftest import Cli
from tests.app.test_commands import account, refused
from tests.ledger.conftest import open_meter

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Hold, KeyLimits, Product, Settlement

PRICE = b'{"input":"1"}'
DETAIL = (
    b'{"asked":"m","model":"m","dialect":"openai_chat","status":"complete",'
    b'"started_at":"2026-01-01T00:00:00Z","total_ms":5}'
)


@pytest.fixture
def request_id(cli: Cli, database_url: str) -> str:
    """A request that was charged."""
    made = account(cli)
    assert cli("credit", made, "--usd", "3", "--pool", "paid", "--reason", "x").code == 0
    return asyncio.run(_spend(database_url, ids.parse("acct", made)))


async def _spend(url: str, account_id: UUID) -> str:
    world, conn = real_world(), await asyncpg.connect(url)
    await ensure_partitions(conn, world.clock.now())
    key, request = world.ids.new(), world.ids.new()
    payer = Payer(account_id, key)
    gateway, now = world.ids.new(), world.clock.now()
    await conn.execute("insert into gateway values ($1, '/home', 1, $2)", gateway, now)
    version = await conn.fetchval(
        "insert into price values (sha256($1::bytea), convert_from($1, 'UTF8'), $2) returning version", PRICE, now
    )
    await open_meter(conn, key, account_id, KeyLimits())
    await conn.close()
    async with open_book(url, gateway) as book:
        await book.place([Hold(request, payer, Usd(50), now)])
        end = (request, payer, Product("m", "", "token-harbor", "", version), "complete", DETAIL, b"salt", now)
        await book.settle([Settlement(*end, Usd(40), Usd(1), Usd(30), Usd(50))])
    return ids.show("req", request)


def test_roots_are_signed_listed_exported_and_verified_against(cli: Cli, request_id: str, tmp_path: Path) -> None:
    assert cli("ledger", "roots", "--json").json == []
    (signed,) = [cli("ledger", "sign", "--json").json]
    assert (signed["root"]["number"], signed["root"]["entries"], signed["faults"]) == (1, 2, [])
    assert cli("ledger", "sign", "--json").json["root"] is None
    assert cli("ledger", "roots", "--json").json == [signed["root"]]
    file = tmp_path / "roots.jsonl"
    assert cli("ledger", "roots", "--export", str(file), "--json").json == {"roots": 1, "file": str(file)}
    assert json.loads(file.read_text()) == signed["root"]
    verified = cli("ledger", "verify", "--roots", str(file), "--json").json
    assert (verified["ok"], verified["roots"], verified["roots_kept"]) == (True, 1, 1)
    file.write_text(file.read_text().replace('"number":1', '"number":2'))
    assert "root 2 was kept elsewhere" in refused(cli("ledger", "verify", "--roots", str(file)))
    file.write_text('{"number": 1}')
    assert f"{file}: line 1 " in refused(cli("ledger", "verify", "--roots", str(file)))


def test_an_account_whose_entries_do_not_lead_to_its_wallet_is_not_signed(
    cli: Cli, request_id: str, database_url: str
) -> None:
    async def meddle() -> None:
        conn = await asyncpg.connect(database_url)
        await conn.execute("set session_replication_role = replica; update entry set amount = 39 where type = 'usage'")
        await conn.close()

    asyncio.run(meddle())
    assert "signed root" in refused(cli("ledger", "sign"))
    assert cli("ledger", "roots", "--json").json == []


def test_a_receipt_is_shown_and_verified_offline(cli: Cli, bare: Cli, request_id: str, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    shown = cli("receipt", request_id, "--json")
    file.write_text(shown.out)
    verdict: Any = cli("receipt", "verify", str(file), "--json").json
    assert (verdict["ok"], verdict["id"], verdict["fault"]) == (True, request_id, None)
    assert any("no signed root" in each for each in verdict["not_proven"])
    cli("ledger", "sign")
    file.write_text(cli("receipt", request_id, "--json").out)
    said = cli("receipt", "verify", str(file))
    assert said.code == 0
    assert "proven: signed root 1" in said.out
    keys = tmp_path / "keys.json"
    keys.write_text('{"format": 1, "algorithm": "ed25519", "keys": []}')
    assert json.loads(shown.out)["signature"]["key_id"] in refused(
        cli("receipt", "verify", str(file), "--keys", str(keys))
    )
    keys.write_text("[]")
    assert f"{keys}: " in refused(cli("receipt", "verify", str(file), "--keys", str(keys)))
    file.write_text(file.read_text().replace("0.000000040", "0.000000039", 1))
    outcome = cli("receipt", "verify", str(file), "--json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["ok"] is False


def test_a_word_that_is_no_id_is_not_a_receipt(cli: Cli) -> None:
    account(cli)
    assert "not an id" in refused(cli("receipt", "verif"))
