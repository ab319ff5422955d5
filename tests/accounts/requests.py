"""Requests and entries as the books keep them, written without a gateway."""

from datetime import datetime

import asyncpg

from tokenharbor.billing.detail import Attempt, RequestDetail, write_detail
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.usage import Usage

_REQUEST = """
INSERT INTO request (id, account_id, key_id, at, model, provider, status, edition, region, labels, detail)
VALUES ($1, $2, $2, $3, $4, $5, 'complete', 'e', '', '{}', $6)
"""
_ENTRY = """
INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider,
                   price_version, detail_digest, reference)
VALUES ($1, $2, $3, 0, $4, 0, $5, $6, 1, $7, 0, $8, $9, '', '', '')
"""
_COUNT = "UPDATE wallet SET seq = greatest(seq, $2) WHERE account_id = $1"


async def write_request(
    conn: asyncpg.Connection,
    request_id: UUID,
    account_id: UUID,
    *,
    at: datetime,
    attempts: tuple[Attempt, ...] = (),
    usage: Usage | None = None,
) -> None:
    """A request that ended then, with one alarm; its provider is the last that was asked."""
    last = attempts[-1] if attempts else Attempt("", "m", "", 0)
    alarms = ("usage_missing",)
    detail = RequestDetail(
        "complete",
        at,
        1,
        asked="m",
        model="m",
        dialect="openai_chat",
        attempts=attempts,
        alarms=alarms,
        usage=usage,
        saved=12 if usage and usage.cache_read else 0,
    )
    await conn.execute(_REQUEST, request_id, account_id, at, last.upstream_model, last.provider, write_detail(detail))


async def write_entry(
    conn: asyncpg.Connection, entry_id: UUID, account_id: UUID, *, at: datetime, provider: str, **columns: int | str
) -> None:
    """`columns`: seq, amount, vendor_cost, over, type; a usage entry of nothing by default."""
    stated = {"seq": 1, "amount": 0, "vendor_cost": 0, "over": 0, "type": "usage"} | columns
    numbers = (stated[name] for name in ("seq", "amount", "vendor_cost", "over"))
    await conn.execute(_ENTRY, entry_id, account_id, *numbers, at, stated["type"], provider)
    await conn.execute(_COUNT, account_id, stated["seq"])
