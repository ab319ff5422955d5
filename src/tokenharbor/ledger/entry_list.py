"""An account's ledger as a list, newest first: the rows of `ledger/export.py`, one for each entry, page by page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import MAX_NANO, Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.export import SPENDABLE, WITHOUT_CAPTURE, PaymentReader
from tokenharbor.ledger.types import Pool, Restriction


@dataclass(frozen=True, slots=True)
class EntryListQueries:
    """The SQL of entry_list.sql."""

    entry_page: str


SQL = read_queries(EntryListQueries, "tokenharbor.ledger", "entry_list.sql")

_POOLS: Final = msgspec.json.Decoder(dict[Pool, int])


LOCKED_ONLY: Final = frozenset({"match_cancelled", "match_ended", "match_restored"})
"""The kinds of entries that move only locked credit: it was taken back, expired, or returned. A CSV omits them."""


LEDGER_GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "top_ups": frozenset({"recharge", "payout", "restore", "returned"}),
    "spending": frozenset({"usage"}),
    "cashback": frozenset({"cashback"}),
    "referral": frozenset({"referral"}),
    "promotional": frozenset({"welcome", "streak", "code", "operator", "match", "unlock", *LOCKED_ONLY}),
}
"""The groups by which people search a ledger, and their kinds of entries. Expiries and clawbacks are in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """An entry in a list. `amount` and `pools` are its change of the account's spendable and held credit, in total and
    by pool; `balance` is that credit after it. `locked` is its change of locked credit, which is not in `balance`.
    `order_id` is the id of the top-up, the request or the entry, as shown.
    """

    id: UUID
    seq: int
    at: datetime
    kind: str
    amount: Usd
    locked: Usd
    pools: Mapping[Pool, Usd]
    balance: Usd
    order_id: str
    capture_ids: Sequence[str]


async def list_entries(
    conn: asyncpg.Connection,
    account_id: UUID,
    read_payments: PaymentReader,
    *,
    kinds: Collection[str] | None = None,
    before: int | None = None,
    most: int,
) -> Sequence[ListedEntry]:
    """Return the latest entries with a number below `before`, of some kinds or of all."""
    pools = [address.account(account_id, pool) for pool in sorted(SPENDABLE)]
    wanted = None if kinds is None else sorted(kinds)
    locked = address.account(account_id, Restriction.LOCKED)
    upto = MAX_NANO if before is None else before
    rows = await conn.fetch(SQL.entry_page, account_id, pools, upto, wanted, most, locked)
    payments = await read_payments(conn, account_id)
    found = []
    for row in rows:
        paid = [payments[lot_id] for lot_id in dict.fromkeys(row["lots"]) if lot_id in payments]
        kind: str = row["kind"]
        own_id = ids.show("req" if kind == "usage" else "ent", row["id"])
        listed = ListedEntry(
            id=row["id"],
            seq=row["seq"],
            at=row["at"],
            kind=kind,
            amount=Usd(row["amount"]),
            locked=Usd(row["locked"]),
            pools={pool: Usd(amount) for pool, amount in _POOLS.decode(row["pools"]).items()},
            balance=Usd(row["balance"]),
            order_id=paid[0].order_id if paid and kind == "recharge" else own_id,
            capture_ids=[] if kind in WITHOUT_CAPTURE else [payment.capture_id for payment in paid],
        )
        found.append(listed)
    return found
