"""The audit of requests: each row compared with its entry and its detail. It runs apart from the audit of entries."""

from collections.abc import Collection
from dataclasses import dataclass, field

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger import pages
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.pages import SQL, RequestEntry, StoredRequest
from tokenharbor.ledger.request_row import charged_version, row_fault


@dataclass(slots=True)
class RequestAudit:
    """A check of an account's requests, taken in any order. Every call raises FaultError."""

    uncharged: dict[UUID, UUID] = field(default_factory=dict)  # by key, a request without an entry
    prices: set[bytes] = field(default_factory=set)  # versions that charges used and only details name

    def take(self, request: StoredRequest, entry: RequestEntry | None) -> None:
        changed = row_fault(request, entry)
        if changed is not None:
            raise FaultError(f"{ids.show('req', request.id)} was changed: {changed}")
        if entry is None:
            self.uncharged[request.key_id] = request.id
            return
        version = charged_version(request, entry)
        if version is not None:
            self.prices.add(version)


async def find_request_fault(conn: asyncpg.Connection, only: Collection[UUID] = ()) -> str | None:
    """Return the first fault of the requests of all accounts, or of `only` some. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        async for account_id in pages.accounts(conn, only):
            try:
                await _verify_requests(conn, account_id)
            except FaultError as fault:
                return f"{ids.show('acct', account_id)}: {fault}"
    return None


async def verify_prices(conn: asyncpg.Connection, versions: Collection[bytes]) -> None:
    """Check that every price used for a charge is stored. Raises FaultError."""
    missing = await conn.fetchval(SQL.missing_prices, [*versions])
    if missing is not None:
        raise FaultError(f"the price {missing.hex()[:16]} was used for a charge but is missing")


async def _verify_requests(conn: asyncpg.Connection, account_id: UUID) -> None:
    audit = RequestAudit()
    async for request, entry in pages.requests(conn, account_id):
        audit.take(request, entry)
    key_id = await conn.fetchval(SQL.missing_meter, account_id, [*audit.uncharged])
    if key_id is not None:
        raise FaultError(f"{ids.show('req', audit.uncharged[key_id])} refers to a key without a meter")
    await verify_prices(conn, audit.prices)
