"""An account with very many usage entries, written by COPY as the books would have written them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.chain import detail_digest, entry_digest, next_head
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.periods import day_end, month_end

_STEP = 8  # entries of one batch
_CHUNK = 10_000
_CHARGE = Usd(1000)
_ENTRY = (
    "id", "account_id", "seq", "pos", "amount", "fee", "vendor_cost", "over", "step", "at", "ordinal", "type",
    "provider", "price_version", "detail_digest", "reference",
)  # fmt: skip
_REQUEST = (
    "id", "account_id", "key_id", "at", "model", "provider", "status", "edition", "region", "labels", "salt", "detail",
)  # fmt: skip


@dataclass
class Spender:
    """An account with one key, and credit for all that it is to spend. Its days, from `first` on, have partitions."""

    conn: asyncpg.Connection
    account: UUID
    key: UUID
    first: datetime
    price_version: bytes
    detail: bytes

    async def spend(self, count: int, days: int) -> None:
        """Write `count` usage entries, spread over days."""
        for day in range(0, days + 7, 7):
            await ensure_partitions(self.conn, self.first + timedelta(days=day))
        wallet = await self.conn.fetchrow("select * from wallet where account_id = $1", self.account)
        head, last = wallet["chain"], self.first
        for batches in _chunks(self._batches(dict(wallet), count, timedelta(days=days) / count)):
            entries = [entry for batch in batches for entry in batch]
            for batch in batches:
                head = next_head(head, [entry_digest(entry) for entry in batch])
            last = entries[-1].at
            await self._copy(entries)
        entry = entries[-1]
        await self.conn.execute(
            "update wallet set spent = $2, seq = $3, step = $4, chain = $5 where account_id = $1",
            self.account, entry.pos + entry.amount, entry.seq, entry.step, head,
        )  # fmt: skip
        await self._meter(last)
        await self.conn.execute("analyze entry")
        await self.conn.execute("analyze request")

    def _batches(self, wallet: dict[str, Any], count: int, apart: timedelta) -> Iterator[Sequence[Entry]]:
        for start in range(0, count, _STEP):
            yield [
                self._entry(wallet, number, self.first + number * apart)
                for number in range(start, min(start + _STEP, count))
            ]

    def _entry(self, wallet: dict[str, Any], number: int, at: datetime) -> Entry:
        return Entry(
            id=_id(at, number),
            account_id=self.account,
            at=at,
            type="usage",
            detail_digest=detail_digest(_salt(number), self.detail_of(wallet["seq"] + number + 1)),
            seq=wallet["seq"] + number + 1,
            pos=wallet["spent"] + number * _CHARGE,
            step=wallet["step"] + number // _STEP + 1,
            ordinal=number % _STEP,
            amount=_CHARGE,
            vendor_cost=Usd(900),
            provider="alibaba",
            price_version=self.price_version,
        )

    async def _copy(self, entries: Sequence[Entry]) -> None:
        rows = [tuple(getattr(entry, name) for name in _ENTRY) for entry in entries]
        await self.conn.copy_records_to_table("entry", records=rows, columns=_ENTRY)
        requests = [self.request_row(entry) for entry in entries]
        await self.conn.copy_records_to_table("request", records=requests, columns=_REQUEST)

    def detail_of(self, seq: int) -> bytes:  # noqa: ARG002  for those whose requests differ
        return self.detail

    def request_row(self, entry: Entry) -> tuple[Any, ...]:
        return (
            entry.id, self.account, self.key, entry.at, "deepseek-v3.2", "alibaba", "complete", "token-harbor", "",
            "{}", _salt(entry.id.int & 0xFFFFFFFF), self.detail_of(entry.seq),
        )  # fmt: skip

    async def _meter(self, last: datetime) -> None:
        since = day_end(last) - timedelta(days=1), month_end(last - timedelta(microseconds=1))
        await self.conn.execute(
            """update key_meter set day_end = $2, month_end = $3,
                spent = (select sum(amount) from entry where account_id = $4 and type = 'usage'),
                day_spent = (select sum(amount) from entry where account_id = $4 and type = 'usage' and at >= $5),
                month_spent = (select sum(amount) from entry where account_id = $4 and type = 'usage'
                               and at >= date_trunc('month', $5::timestamptz, 'UTC'))
            where key_id = $1""",
            self.key, day_end(last), since[1], self.account, since[0],
        )  # fmt: skip


def _id(at: datetime, number: int) -> UUID:
    """A UUIDv7 of its time that ends in a number."""
    return UUID(int=(int(at.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62) | number)


def _salt(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _chunks(batches: Iterator[Sequence[Entry]]) -> Iterator[Sequence[Sequence[Entry]]]:
    chunk: list[Sequence[Entry]] = []
    for batch in batches:
        chunk.append(batch)
        if len(chunk) * _STEP >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
