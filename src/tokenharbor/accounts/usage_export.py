"""An account's requests as CSV: one row each, with tokens, cache, cost, model, provider, key and status."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import msgspec

from tokenharbor.accounts.usage import SQL, lowest_request_id
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.partitions import lowest_id
from tokenharbor.identity import store
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import NO_USAGE, Usage
from tokenharbor.ledger.export import csv_line, csv_text

HEADER = (
    "Date (ISO UTC)",
    "Request ID",
    "Key ID",
    "Model",
    "Provider",
    "Status",
    "Input tokens",
    "Cache read tokens",
    "Cache write tokens",
    "Output tokens",
    "Reasoning tokens",
    "Usage source",
    "Cache layer",
    "Cost USD",
    "Service fee USD",
    "Saved USD",
)
_PAGE = 1000
_ALL = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class UsageSpan:
    """The span [since, until) in which requests ended; None means no bound."""

    since: datetime | None = None
    until: datetime | None = None

    def takes(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class _UsedDetail(msgspec.Struct, frozen=True):
    """The fields of a request's detail that a row shows."""

    usage: Usage | None = None
    usage_source: str = "none"
    cache: str = "none"
    saved: int = 0

    @property
    def cache_layer(self) -> str:
        """The cache that served the request; `prefix` if only the vendor's own cache was read."""
        return "prefix" if self.cache == "none" and self.usage is not None and self.usage.cache_read else self.cache


_DETAIL = msgspec.json.Decoder(_UsedDetail)


async def export_usage(conn: asyncpg.Connection, account_id: UUID, span: UsageSpan) -> AsyncGenerator[str]:
    """Yield the lines of the CSV, the header first, then requests by id. Raises Missing, DatabaseUnavailable."""
    with as_database_unavailable():
        await store.get_account(conn, account_id)
        yield csv_line(HEADER)
        last = UUID(int=0) if span.since is None else lowest_request_id(span.since)
        end = _ALL if span.until is None else lowest_id(span.until)
        while page := await conn.fetch(SQL.request_page, account_id, last, end, _PAGE):
            charges = await _charges(conn, [row["id"] for row in page])
            for row in page:
                if span.takes(row["at"]):
                    yield _row(row, *charges.get(row["id"], (ZERO, ZERO)))
            last = page[-1]["id"]


async def _charges(conn: asyncpg.Connection, request_ids: Sequence[UUID]) -> Mapping[UUID, tuple[Usd, Usd]]:
    rows = await conn.fetch(SQL.charges, request_ids, request_ids[0], request_ids[-1])
    return {row["id"]: (Usd(row["amount"]), Usd(row["fee"])) for row in rows}


def _row(row: asyncpg.Record, cost: Usd, fee: Usd) -> str:
    detail = _UsedDetail() if row["detail"] is None else _DETAIL.decode(row["detail"])
    used = detail.usage or NO_USAGE
    return csv_line(
        (
            row["at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            ids.show("req", row["id"]),
            ids.show("key", row["key_id"]),
            csv_text(row["model"]),
            csv_text(row["provider"]),
            row["status"],
            used.input,
            used.cache_read,
            used.cache_write_5m + used.cache_write_1h,
            used.output,
            used.reasoning,
            detail.usage_source,
            detail.cache_layer,
            cost,
            fee,
            Usd(detail.saved),
        )
    )
