"""The console's role in the database: it reads and adds rows, but cannot change entries, and owns no table.

Most tables of the books are append-only: a trigger refuses updates and deletes. The tables' owner could remove the
trigger; this role cannot, and has no right to update or delete there. It logs in with its own password: an injected
statement could undo `SET ROLE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from tokenharbor.db.pool import Login
from tokenharbor.db.queries import read_queries

_LOCK: Final = 0x726F6C6573  # "roles": the key of the advisory lock
_READ_ONLY: Final = ("migration", "meta", "offered_price", "endpoint_day")
_APPEND_ONLY: Final = (
    "account_change",
    "former_mailbox",
    "former_member",
    "made_once",
)  # in addition to the tables with the trigger


@dataclass(frozen=True, slots=True)
class _RoleQueries:
    """The SQL of roles.sql."""

    role_name: str
    define_role: str
    grants_lacking: str


_SQL = read_queries(_RoleQueries, "tokenharbor.db", "roles.sql")


async def ensure_console_role(conn: asyncpg.Connection, password: str) -> Login:
    """Create the role or set its password, and grant the rights that it lacks; `conn` is of the tables' owner.

    Raises asyncpg.InsufficientPrivilegeError if the owner may not create roles.
    """
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=None)
        name: str = await conn.fetchval(_SQL.role_name)
        await conn.execute(await conn.fetchval(_SQL.define_role, name, password))
        await _run(
            conn, [row["statement"] for row in await conn.fetch(_SQL.grants_lacking, name, _READ_ONLY, _APPEND_ONLY)]
        )
    return Login(name, password)


async def _run(conn: asyncpg.Connection, statements: Sequence[str]) -> None:
    if statements:
        await conn.execute("; ".join(statements))
