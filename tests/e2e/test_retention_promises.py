"""What is promised of metadata and content, on a running server of its edition whose clock moves on."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e import books
from tests.e2e.harbor import Harbor, make_harbor, start_simulator
from tests.e2e.midnight import away_from_midnight
from tests.e2e.raw_client import get, read

from tokenharbor.kernel import ids

pytestmark = pytest.mark.slow

MODEL, PROVIDER, UPSTREAM = "zebra-large", "quagga", "zebra-upstream-1"
ASKED, ANSWERED, CLIENT_ID = "a question about pangolins", "an answer about axolotls", "the-clients-own-id"
CONFIG = f"""
edition = "token-hub"

[providers.{PROVIDER}]
wire = "openai_chat"
base_url = "{{url}}/v1"
credential = "env:SIM_KEY"

[models."{MODEL}"]
vendor = "sims"
context = 200000
max_output = 8192

[[models."{MODEL}".endpoints]]
provider = "{PROVIDER}"
upstream_model = "{UPSTREAM}"
price = {{{{ input = "1.25", output = "7.75" }}}}
"""
SCRIPT = f"""
[answer]
text = "{ANSWERED}"
usage = {{ input = 9, output = 7 }}
[[rules]]
match = {{ contains = "[fail]" }}
fault = {{ kind = "status", status = 500 }}
"""
NAMES_NO_ACCOUNT = {"price", "offered_price", "provider_day", "endpoint_day", "comparison_cost"}
"""What is and was on sale, what providers are owed in all, and how often they answered."""


@pytest.fixture
def harbor(tmp_path: Path) -> Iterator[Harbor]:
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        simulator, url = start_simulator(SCRIPT, tmp_path)
        stack.callback(simulator.stop)
        harbor = make_harbor(tmp_path, url, CONFIG)
        stack.callback(harbor.stop)
        yield harbor


def purge(harbor: Harbor) -> None:
    """Let the job run, and wait for its end."""
    runs = job(harbor)["runs"]
    harbor.cli("jobs", "run", "metadata_purge")
    deadline = time.monotonic() + 60
    while (found := job(harbor))["runs"] <= runs or found["last_ended_at"] < found["last_began_at"]:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert found["fault"] is None


def job(harbor: Harbor) -> Mapping[str, Any]:
    (found,) = [each for each in harbor.cli("jobs", "list") if each["job"] == "metadata_purge"]
    return {**found, "last_ended_at": found["last_ended_at"] or "", "last_began_at": found["last_began_at"] or ""}


async def used(harbor: Harbor) -> Sequence[str]:
    """A whole answer, a stream and a failure; their ids."""
    headers = {"authorization": f"Bearer {harbor.key}", "x-request-id": CLIENT_ID}
    heard = []
    async with httpx.AsyncClient(base_url=harbor.url, headers=headers, timeout=30) as client:
        for text, stream in ((ASKED, False), (ASKED, True), (f"{ASKED} [fail]", False)):
            asked = {
                "model": MODEL,
                "max_tokens": 1000,
                "stream": stream,
                "messages": [{"role": "user", "content": text}],
            }
            heard.append(await client.post("/v1/chat/completions", json=asked))
    assert [each.status_code for each in heard] == [200, 200, 502]
    assert ANSWERED in heard[0].text
    return [each.headers["x-request-id"] for each in heard]


async def receipt(harbor: Harbor, request_id: str) -> Any:
    return await read(harbor.url, f"/v1/requests/{request_id}", harbor.key)


async def rows(harbor: Harbor) -> Mapping[str, Sequence[str]]:
    """Every row of every table, as a dump would have it."""
    async with books.connected(harbor.home) as conn:
        tables = await conn.fetch(
            "select c.relname as name from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace"
        )
        return {
            table["name"]: [row["text"] for row in await conn.fetch(f"select t::text as text from {table['name']} t")]  # noqa: S608
            for table in tables
        }


def says(row: str, word: str) -> bool:
    """As text, or within bytes, which are shown in hexadecimal."""
    return word in row or word.encode().hex() in row


async def told(harbor: Harbor, words: Sequence[str]) -> set[tuple[str, str]]:
    """Which tables say which words of anybody's requests."""
    tables = await rows(harbor)
    whose = [str(ids.parse("acct", harbor.account)), harbor.account]
    assert not any(says(text, word) for table in NAMES_NO_ACCOUNT for text in tables[table] for word in whose)
    return {
        (table, word)
        for table in tables.keys() - NAMES_NO_ACCOUNT
        for text in tables[table]
        for word in words
        if says(text, word)
    }


def verify_receipt(harbor: Harbor, document: Any, folder: Path) -> Any:
    path = folder / "receipt.json"
    path.write_text(json.dumps(document))
    return json.loads(harbor.run("receipt", "verify", str(path), "--json").stdout)


async def test_HUB_5_metadata_is_deleted_after_7_days_and_content_is_never_kept(harbor: Harbor, tmp_path: Path) -> None:
    await away_from_midnight()
    began = datetime.now(UTC)
    whole, stream, failed = await used(harbor)
    harbor.cli("ledger", "sign")
    harbor.cli("ledger", "roots", "--export", str(tmp_path / "roots.jsonl"))
    kept = await receipt(harbor, whole)
    assert (kept["model"], kept["provider"], kept["upstream_model"]) == (MODEL, PROVIDER, UPSTREAM)
    assert kept["client_request_id"] == CLIENT_ID
    words = [MODEL, PROVIDER, UPSTREAM, kept["price"]["version"], CLIENT_ID, kept["upstream_request_id"], "openai_chat"]
    assert {word for _, word in await told(harbor, words)} == set(words)
    assert {each["id"] for each in await books.receipts(harbor.url, harbor.key)} == {whole, stream, failed}

    harbor.stop()
    harbor.start_ahead(7 * 24 - 2)
    purge(harbor)
    assert (await receipt(harbor, stream))["model"] == MODEL
    balance = harbor.cli("balance", harbor.account)

    harbor.stop()
    harbor.start_ahead(7 * 24 + 2)
    purge(harbor)
    assert await told(harbor, words) == set()
    await check_what_is_left(harbor, [whole, stream, failed], kept)
    assert harbor.cli("balance", harbor.account) == balance
    proven = verify_receipt(harbor, kept, tmp_path)
    assert proven["ok"], proven
    assert any(MODEL in each for each in proven["proven"])
    expired = verify_receipt(harbor, await receipt(harbor, whole), tmp_path)
    assert expired["ok"], expired
    assert any("detail" in each for each in expired["not_proven"])
    assert harbor.cli("ledger", "verify", "--roots", str(tmp_path / "roots.jsonl"))["ok"]
    check_reconciliation(harbor, tmp_path, began)

    await used(harbor)
    assert (await books.receipts(harbor.url, harbor.key))[0]["model"] == MODEL
    assert books.verified(harbor)["ok"]
    await check_no_content(harbor)


async def check_what_is_left(harbor: Harbor, request_ids: Sequence[str], kept: Any) -> None:
    """Money, by request and by day."""
    for request_id in request_ids[:2]:
        left = await receipt(harbor, request_id)
        assert (left["detail"], left["salt"], left["cost_usd"]) == ("expired", None, kept["cost_usd"])
        assert not {"model", "provider", "status", "usage", "total_ms", "price"} & left.keys()
        assert left["proof"]["entry"]["provider"] == ""
    assert (await get(harbor.url, f"/v1/requests/{request_ids[2]}", harbor.key)).status == 404
    assert await books.receipts(harbor.url, harbor.key) == []
    span = ("--from", "2026-01-01", "--to", "2100-01-01")
    lines = [row for row in harbor.cli("statements", harbor.account, *span) if row["Section"] == "usage"]
    assert [(row["Item"], int(row["Requests"]), Decimal(row["Amount USD"])) for row in lines] == [
        ("", 2, 2 * Decimal(kept["cost_usd"]))
    ]
    (used,) = harbor.cli("usage", harbor.account)  # the failed one is among the requests
    assert (used["model"], used["provider"], used["requests"], used["unbilled"]) == ("", "", 3, 1)
    assert (used["input"], used["output"], Decimal(used["cost_usd"])) == (0, 0, 2 * Decimal(kept["cost_usd"]))
    charges = [row for row in harbor.cli("ledger", "export", harbor.account) if row["Type"] == "usage"]
    assert [Decimal(row["Amount USD"]) for row in charges] == [-Decimal(kept["cost_usd"])] * 2


def check_reconciliation(harbor: Harbor, folder: Path, began: datetime) -> None:
    """The provider's own statement still agrees with what it is owed."""
    owed = Decimal(2 * (9 * 1_250_000 + 7 * 7_750_000)) / 10**12
    path = folder / "provider.csv"
    path.write_text(f"date,model,amount_usd\n{began.date()},{UPSTREAM},{owed}\n")
    found = harbor.cli("reconcile", "--provider", PROVIDER, "--statement", str(path), "--tolerance", "0.000000001")
    assert (found["compared"], found["differences"]) == (1, [])


async def check_no_content(harbor: Harbor) -> None:
    """Neither in a table, nor in a file of HOME, the database's own ones included, nor in the log."""
    words = ("pangolins", "axolotls")
    assert await told(harbor, words) == set()
    assert harbor.server is not None
    harbor.stop()
    for path in harbor.home.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(word.encode() in content for word in words), path
    assert not any(word in line for line in harbor.server.lines for word in words)
