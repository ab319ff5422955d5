"""Idempotency of requests whose answer holds a secret, and so cannot be repeated: each key makes one thing only."""

from datetime import datetime

import asyncpg

from tokenharbor.identity.store import SQL
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason


async def claim_idempotency_key(
    conn: asyncpg.Connection, account_id: UUID, idempotency_key: str | None, created_id: str, at: datetime
) -> None:
    """Record in the caller's transaction that an idempotency key created `created_id` (a shown id); without a key, do
    nothing.

    Raises Conflict, which names the id that the key created before; the caller must then roll back.
    """
    if idempotency_key is None:
        return
    if await conn.fetchval(SQL.add_made_once, account_id, idempotency_key, created_id, at) is None:
        before: str = await conn.fetchval(SQL.made_once, account_id, idempotency_key)
        raise Conflict(
            f"this Idempotency-Key was used to make {before}, whose secret was only in that response: if you did not "
            "get it, delete that key and make another one with a new Idempotency-Key"
        ).because(ErrorReason.IDEMPOTENCY_KEY_USED, id=before)
