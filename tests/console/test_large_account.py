"""An account with very many requests: its pages show the right rows, wherever one looks, and it takes a moment.

How long the answers took is printed (`-s`), not asserted: other work on the machine would fail it. So is their CPU
time, of this process and of PostgreSQL's backends, which is what they take where nothing else runs. Measure with
`pytest -n0 -s -m slow --at-length tests/console/test_large_account.py`.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import pytest
from tests.console.conftest import START, Browser, Office
from tests.console.spending import VERSION
from tests.ledger.many import Spender

from tokenharbor.billing.detail import (
    Attempt,
    OwnDetail,
    ServedBy,
    SharedDetail,
    join_detail,
    write_head,
    write_not_asked,
)
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.rollup import roll_up
from tokenharbor.ledger.types import Pool

_REQUESTS, _AT_LENGTH = 100_000, 1_000_000
_DAYS = 90
_TIMES = 5
_MODELS = [f"model-{number:02}" for number in range(20)]
_PROVIDERS = ("p0", "p1", "p2")
_RARE_EVERY = 50_000


def _detail(model: str, provider: str, key: UUID) -> bytes:
    """As a gateway writes it."""
    own = OwnDetail(
        "complete", START, 1840, 412, "chatcmpl-0123456789abcdef", True, Usage(input=1200, cache_read=300, output=410),
        "vendor", attempts=(Attempt(provider, model, "ok", 400),), cache="prefix", hold=1_000_000,
    )  # fmt: skip
    shared = SharedDetail(model, model, "openai_chat", ServedBy(provider, model, VERSION.hex()), key, "token-harbor")
    return join_detail(write_head(shared), own, write_not_asked([("p9", "behind")]))


@dataclass
class ManyKinds(Spender):
    """Requests of many models, three providers and two keys; few failed, and very few are of a model of their own."""

    other_key: UUID

    def detail_of(self, seq: int) -> bytes:
        return _detail(*self._sold(seq))

    def request_row(self, entry: Entry) -> tuple[Any, ...]:
        model, provider, key = self._sold(entry.seq)
        status = "hung_up" if entry.seq % 1000 == 1 else "complete"
        row = super().request_row(entry)
        return (*row[:2], key, row[3], model, provider, status, *row[7:])

    def _sold(self, seq: int) -> tuple[str, str, UUID]:
        model = "model-rare" if seq % _RARE_EVERY == 7 else _MODELS[seq % 20]
        return model, _PROVIDERS[seq % 20 % 3], self.other_key if seq % 10 == 0 else self.key


@pytest.mark.slow
async def test_TH_P3_an_account_of_100000_requests_scrolls_and_filters(
    office: Office, database_url: str, pytestconfig: pytest.Config
) -> None:
    """With `--at-length` 1,000,000."""
    count = _AT_LENGTH if pytestconfig.getoption("at_length") else _REQUESTS
    await office.grant("1000000", Pool.PAID)
    reader, keys = office.member(AccountRole.OWNER), f"{office.account_path}/keys"
    made = [(await reader.ask("POST", keys, json={"name": name, "label": "shop"})).json()["id"] for name in "ab"]
    key, other = (ids.parse("key", each) for each in made)
    conn = await asyncpg.connect(database_url)
    try:
        spender = ManyKinds(conn, office.account.id, key, START - timedelta(days=_DAYS), VERSION, b"", other_key=other)
        await spender.spend(count, days=_DAYS)
        await roll_up(conn, office.account.id)
        await conn.execute("vacuum analyze")
        asked = Asked(reader, office.account_path, conn, [])
        await _scroll(asked, count)
        await _narrow(asked, made[1], count)
        await _add_up(asked, count)
        lines = [f"\n{took * 1000:7.1f} ms, CPU {cpu * 1000:7.1f} ms  {what}" for what, took, cpu in asked.medians]
        print(*lines, flush=True)
    finally:
        await conn.close()


@dataclass
class Asked:
    """Asks for each path some times, and keeps the median of how long the answers took."""

    reader: Browser
    account_path: str
    conn: asyncpg.Connection
    medians: list[tuple[str, float, float]]

    async def get(self, what: str, path: str) -> Any:
        took: list[float] = []
        cpu: list[float] = []
        for _ in range(_TIMES):
            cpu_began, began = await self._cpu_seconds(), time.perf_counter()
            said = await self.reader.get(self.account_path + path)
            took.append(time.perf_counter() - began)
            cpu.append(await self._cpu_seconds() - cpu_began)
            assert said.status_code == 200, said.text
        self.medians.append((what, median(took), median(cpu)))
        return said.json()

    async def _cpu_seconds(self) -> float:
        """Of this process and of the database's backends, as far as the system tells."""
        rows = await self.conn.fetch("select pid from pg_stat_activity where datname = current_database()")
        stats = [Path(f"/proc/{row['pid']}/schedstat") for row in rows]
        return time.process_time() + sum(int(each.read_text().split()[0]) for each in stats if each.exists()) / 1e9


async def _scroll(asked: Asked, count: int) -> None:
    first = await asked.get("requests, the first page", "/requests?limit=100")
    assert len(first["data"]) == 100
    cursor, seen = first["next_cursor"], [each["id"] for each in first["data"]]
    second = await asked.get("requests, the next page", f"/requests?limit=100&cursor={cursor}")
    assert seen == sorted(seen, reverse=True)
    assert second["data"][0]["id"] < seen[-1]
    middle = await asked.get("requests, 45 days deep", f"/requests?limit=100&cursor={_id_at(45)}")
    assert len(middle["data"]) == 100
    last = await asked.get(
        "requests, the end", f"/requests?limit=100&cursor={_id_at(_DAYS - 1e-9 - 50 * _DAYS / count)}"
    )
    assert last["next_cursor"] is None
    assert 40 <= len(last["data"]) <= 60
    receipt = await asked.get("a receipt", f"/requests/{middle['data'][0]['id']}")
    assert receipt["model"] == middle["data"][0]["model"]


async def _narrow(asked: Asked, key: str, count: int) -> None:
    for what, narrowed, field, value in (
        ("by model", "model=model-03", "model", "model-03"),
        ("by provider", "provider=p2", "provider", "p2"),
        ("by key", f"key={key}", "key_id", key),
        ("by status, one in a thousand", "status=hung_up&limit=5", None, None),
        ("by all four", f"model=model-00&provider=p0&key={key}&status=complete", "model", "model-00"),
    ):
        page = await asked.get(f"requests {what}", f"/requests?{narrowed}")
        assert page["data"]
        assert field is None or {each[field] for each in page["data"]} == {value}
    deep = await asked.get("requests by model, 45 days deep", f"/requests?model=model-03&cursor={_id_at(45)}")
    assert len(deep["data"]) == 50
    none = await asked.get("requests of a model that nobody used", "/requests?model=none")
    assert none["data"] == []
    assert none["next_cursor"] is not None
    few = await asked.get("requests of a rare model, where it is not", "/requests?model=model-rare")
    assert len(few["data"]) <= 1
    assert await _all(asked.reader, f"{asked.account_path}/requests?model=model-rare") == count // _RARE_EVERY


async def _all(reader: Browser, path: str) -> int:
    """How many are found, page by page."""
    found, cursor = 0, ""
    while True:
        page = (await reader.get(path + cursor)).json()
        found += len(page["data"])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def _add_up(asked: Asked, count: int) -> None:
    since = _stated(START - timedelta(days=_DAYS, hours=1))
    until = _stated(START + timedelta(hours=1))
    for by, rows in (("day", _DAYS + 1), ("model", 21), ("key", 2), ("label", 1), ("provider", 3)):
        usage = await asked.get(f"usage over {_DAYS} days by {by}", f"/usage?by={by}&since={since}&until={until}")
        assert len(usage["data"]) in (rows, rows - 1), by
        assert usage["total"]["requests"] == sum(each["requests"] for each in usage["data"]) == count
        assert usage["total"]["mean_total_ms"] == 1840
    hours = await asked.get(
        "usage over 24 hours by hour", f"/usage?by=hour&since={_stated(START - timedelta(days=1))}&until={until}"
    )
    assert len(hours["data"]) >= 24
    choices = await asked.get("what requests can be narrowed to", "/requests/choices")
    assert len(choices["models"]) == 21
    home = await asked.get("home", "/home")
    assert len(home["requests"]) == 10
    assert len(await asked.get("keys", "/keys")) == 2
    ledger = await asked.get("the ledger, the first page", "/ledger?limit=100")
    assert len(ledger["data"]) == 100
    await asked.get("the ledger, top-ups only", "/ledger?limit=100&kind=top_ups")


def _id_at(days: float) -> str:
    """An id as of a request that began so many days ago."""
    return ids.show("req", UUID(int=int((START - timedelta(days=days)).timestamp() * 1000) << 80))


def _stated(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
