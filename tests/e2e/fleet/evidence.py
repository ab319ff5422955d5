"""What clients saw, what the vendor served and what the books say, held against each other."""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import msgspec
from tests.e2e import books
from tests.e2e.auditor import BYTES_PER_TOKEN, Prices, nano
from tests.e2e.fleet.gateways import Fleet
from tests.e2e.raw_client import ClientAnswer, Ending

from tokenharbor.kernel import ids

_COST = "x-tokenharbor-cost-usd"
_ENTRIES = """
select e.id, e.account_id, e.amount, e.over, r.status, r.detail, count(*) over (partition by e.id) as times
from entry e left join request r on r.id = e.id and r.account_id = e.account_id
where e.type = 'usage' and e.account_id = any ($1)
"""
_WALLETS = """
select w.account_id, w.line_end, w.spent, w.held, w.debt, w.open,
       coalesce((select sum(amount) from entry e where e.account_id = w.account_id and type = 'usage'), 0) as charged,
       (select count(*) from hold h where h.account_id = w.account_id) as holds,
       coalesce((select sum(open) from key_meter k where k.account_id = w.account_id), 0) as keys_open,
       coalesce((select sum(held) from key_meter k where k.account_id = w.account_id), 0) as keys_held
from wallet w
"""


@dataclass(frozen=True)
class Findings:
    """How many of which were seen, so that a test can say that enough was."""

    endings: Mapping[str, int]  # of clients' answers: complete, failed, cut, left
    billed: int
    unseen: int  # billed, but no client saw it complete: who hung up, or whose gateway died
    failed_over: int  # billed, and not served by the first endpoint that was asked


class AnswerSeen(Protocol):
    """What an auditor asks of a client: how its answer ended, under which id, and what its head said."""

    @property
    def how(self) -> Ending: ...

    @property
    def id(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer without its body, which nobody has room for in a long run."""

    how: Ending
    id: str
    headers: Mapping[str, str]


def ended(heard: ClientAnswer) -> Ended:
    cost = {name: said for name, said in heard.headers.items() if name == _COST}
    return Ended(heard.how, heard.id, cost)


class _Entry(msgspec.Struct, frozen=True):
    """A usage entry, and what its detail says."""

    amount: int
    over: int
    detail: Mapping[str, Any]


async def audit(fleet: Fleet, accounts: Sequence[str], heard: Sequence[AnswerSeen]) -> Findings:
    """Every answer that a client saw complete is billed once, at the vendor's usage; nobody else's is billed twice.
    For a fleet at rest; `heard` is everything that these accounts ever asked.
    """
    async with fleet.connected() as conn:
        entries = await _entries(conn, [ids.parse("acct", account) for account in accounts])
        await _check_wallets(conn)
    records = {record["id"]: record for record in books.simulator(fleet.gateways[0], "GET", "requests")}
    prices = fleet.prices
    for entry in entries.values():
        _check_price(prices, entry, records)
    answers = Counter(entry.detail["upstream_id"] for entry in entries.values() if not _is_hit(entry))
    assert max(answers.values(), default=0) <= 1, "an answer of the vendor was billed twice"
    endings: Counter[str] = Counter(one.how for one in heard)
    complete = {ids.parse("req", one.id): one for one in heard if one.how == "complete"}
    assert len(complete) == endings["complete"], "two answers of one id"
    missing = complete.keys() - entries.keys()
    assert not missing, f"{len(missing)} complete answers were not billed: {_show(missing)}"
    for id_, one in complete.items():
        said = one.headers.get(_COST)
        assert said is None or nano(said) == entries[id_].amount, (said, entries[id_])
    failed = {ids.parse("req", one.id) for one in heard if one.how == "failed" and one.id}
    assert not failed & entries.keys(), f"told that they failed, and billed: {_show(failed & entries.keys())}"
    strange = entries.keys() - {ids.parse("req", one.id) for one in heard if one.id}
    assert len(strange) <= sum(not one.id for one in heard), f"billed, and nobody asked for it: {_show(strange)}"
    failed_over = sum(len(entry.detail.get("attempts", ())) > 1 for entry in entries.values())
    return Findings(endings, len(entries), len(entries.keys() - complete.keys()), failed_over)


async def at_rest(fleet: Fleet, seconds: float = 30) -> None:
    """Wait until nothing is held and no place is taken. Raises TimeoutError with what is left."""
    end = time.monotonic() + seconds
    async with fleet.connected() as conn:
        while left := [row for row in await conn.fetch(_WALLETS) if row["held"] or row["open"] or row["keys_open"]]:
            if time.monotonic() > end:
                raise TimeoutError(f"still held: {[dict(row) for row in left]}")
            await asyncio.sleep(0.05)


def verify(fleet: Fleet) -> None:
    """`ledger verify` finds nothing."""
    assert fleet.run("ledger", "verify")["ok"]


async def _entries(conn: asyncpg.Connection, accounts: Sequence[ids.UUID]) -> Mapping[ids.UUID, _Entry]:
    found = {}
    for row in await conn.fetch(_ENTRIES, accounts):
        assert row["times"] == 1, f"billed {row['times']} times: {ids.show('req', row['id'])}"
        assert row["detail"] is not None, f"billed, and without a detail: {ids.show('req', row['id'])}"
        found[row["id"]] = _Entry(row["amount"], row["over"], json.loads(row["detail"]))
    return found


def _is_hit(entry: _Entry) -> bool:
    """Whether an answer that was kept is given again: no provider was asked."""
    return bool(entry.detail.get("cache") == "exact")


def _check_price(prices: Prices, entry: _Entry, records: Mapping[str, Any]) -> None:
    """Charged is what was served: by the vendor's own record, or by what the caller got who left before its end."""
    detail = entry.detail
    if _is_hit(entry):
        assert (entry.amount, detail.get("attempts", [])) == (0, []), "a kept answer costs nothing"
        return
    record = records[detail["upstream_id"]]
    usage = record["usage"]
    if detail["status"] == "hung_up" and detail["usage_source"] == "estimated":
        delivered, usage = detail["delivered_bytes"], detail["usage"]
        assert 0 < delivered <= record["text_bytes"], f"more was delivered than the vendor sent: {detail}"
        own = math.ceil(delivered / BYTES_PER_TOKEN)
        said = (record["usage"] or {}).get("output", 0)  # the vendor's last count may have come before the client left
        assert usage["output"] <= own or usage["output"] == said, f"more was counted than delivered: {detail}"
    bill = prices.bill(detail["model"], detail["served"]["provider"], usage).within(detail["hold"])
    assert entry.amount == bill.total > 0, (entry, record, bill)


async def _check_wallets(conn: asyncpg.Connection) -> None:
    for row in await conn.fetch(_WALLETS):
        assert row["spent"] == row["charged"], dict(row)
        assert 0 <= row["spent"] <= row["line_end"], dict(row)
        left = {name: int(row[name]) for name in ("held", "debt", "open", "holds", "keys_open", "keys_held")}
        assert not any(left.values()), left


def _show(requests: set[ids.UUID]) -> list[str]:
    return [ids.show("req", id_) for id_ in list(requests)[:5]]
