"""What is made once for an idempotency key of an account, where the answer cannot be given again: it holds a secret."""

from datetime import datetime

import asyncpg

from tokenharbor.identity.store import SQL
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason


async def make_once(
    conn: asyncpg.Connection, account_id: UUID, idempotency_key: str | None, made: str, at: datetime
) -> None:
    """In the transaction that has made it; `made` is its shown id. None: nothing is remembered.

    Raises Conflict, which names what was made with this key before: the transaction is to be undone.
    """
    if idempotency_key is None:
        return
    if await conn.fetchval(SQL.add_made_once, account_id, idempotency_key, made, at) is None:
        before: str = await conn.fetchval(SQL.made_once, account_id, idempotency_key)
        raise Conflict(
            f"this Idempotency-Key has made {before}, whose secret was in that answer only: "
            "if it did not arrive, delete that key, and make another one with another Idempotency-Key"
        ).because(ErrorReason.IDEMPOTENCY_KEY_USED, id=before)
