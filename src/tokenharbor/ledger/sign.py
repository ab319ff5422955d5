"""Signing: a background job signs one root about every ten minutes, over the entries since the last one.

Idea: a cut is a Merkle tree over consecutive entries of one account, with the account's state after the last; a root is
a Merkle tree over cuts. So a receipt's proof reads the entries of one cut only; the cut stores its path to the root, as
computing that for each receipt would take too long.

The invariant: an account is signed only if its entries lead from its last cut's chain head to the head in its wallet.
Cuts go by account and number, not by time: a journal may settle a request an hour late. A wallet's number, step, chain
and `spent` are one row, so one read is one moment, without locks. The database computes the entries' digests, several
times cheaper than Python; `ledger verify` computes them itself, so a changed function makes a root that does not verify
(decision 15).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World
from tokenharbor.ledger.chain import next_head
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.merkle import levels, path_to, tree_root
from tokenharbor.ledger.roots import FIRST_PREVIOUS, Cut, Root, cut_bytes, read_root, root_digest, sign_root

_PAGE = 1000
_FULL = 1000  # entries after which a cut ends at the next step's end: a receipt's proof reads a whole cut
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class RootQueries:
    """The SQL of roots.sql."""

    lock: str
    try_lock: str
    unlock: str
    last_root: str
    one_root: str
    root_page: str
    cut_page: str
    cut_of: str
    grown: str
    page_end: str
    digests: str
    line: str
    add_root: str
    add_cut: str


SQL = read_queries(RootQueries, "tokenharbor.ledger", "roots.sql")


@dataclass(slots=True)
class SigningOutcome:
    """The result of signing: no root if there was nothing new. `faults` names the accounts left out, one line each."""

    root: Root | None = None
    faults: list[str] = field(default_factory=list)


async def sign_books(
    conn: asyncpg.Connection, world: World, signer: MessageSigner, *, wait: bool = True
) -> SigningOutcome:
    """Sign new entries. If another process is signing, wait for it, or do nothing unless `wait`. After an error the
    connection keeps the lock until it is closed or returned to its pool. Raises DatabaseUnavailable.
    """
    with as_database_unavailable():
        if wait:
            await conn.execute(SQL.lock, timeout=None)
        elif not await conn.fetchval(SQL.try_lock):
            return SigningOutcome()
        signed = await _sign(conn, world, signer)
        await conn.execute(SQL.unlock)
    return signed


async def last_root(pool: asyncpg.Pool) -> Root | None:
    """Return the latest root, or None before the first one. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        row = await pool.fetchrow(SQL.last_root)
    return None if row is None else read_root(row)


async def roots(conn: asyncpg.Connection) -> AsyncIterator[Root]:
    """Yield every root in order."""
    last = 0
    while rows := await conn.fetch(SQL.root_page, last, _PAGE):
        for row in rows:
            yield read_root(row)
        last = rows[-1]["number"]


async def _sign(conn: asyncpg.Connection, world: World, signer: MessageSigner) -> SigningOutcome:
    signed, cuts = SigningOutcome(), list[Cut]()
    async for grown in _grown(conn):
        try:
            cuts += await _cuts(conn, grown)
        except FaultError as fault:
            signed.faults.append(f"{ids.show('acct', grown['account_id'])}: {fault}")
    if cuts:
        before = await conn.fetchrow(SQL.last_root)
        signed.root = await _add(conn, _root(cuts, None if before is None else read_root(before), world, signer), cuts)
    return signed


async def _grown(conn: asyncpg.Connection) -> AsyncIterator[asyncpg.Record]:
    """Yield every account with entries since its last cut."""
    account_id = _NOBODY
    while (end := await conn.fetchval(SQL.page_end, account_id, _PAGE)) is not None:
        for row in await conn.fetch(SQL.grown, account_id, _PAGE):
            yield row
        account_id = end


async def _cuts(conn: asyncpg.Connection, grown: Any) -> Sequence[Cut]:
    """Return the new cuts of an account. Raises FaultError if its entries do not lead to its wallet's state."""
    account_id, seq, step, head = grown["account_id"], grown["from_seq"], grown["from_step"], grown["from_chain"]
    cuts: list[Cut] = []
    leaves: list[bytes] = []  # of the cut
    in_step: list[bytes] = []
    spent = 0

    async def end() -> None:
        line = await conn.fetchval(SQL.line, account_id, spent)
        first = seq - len(leaves) + 1
        cuts.append(Cut(account_id, first, seq, step, spent, head, line, tree_root(leaves)))
        leaves.clear()

    while rows := await conn.fetch(SQL.digests, account_id, seq, grown["seq"], _PAGE):
        for row in rows:
            if row["step"] != step:
                if in_step:
                    head = next_head(head, in_step)
                    in_step.clear()
                    if len(leaves) >= _FULL:
                        await end()
                step = row["step"]
            if row["seq"] != seq + 1:
                raise FaultError(f"entry {seq + 1} is missing")
            seq, spent = row["seq"], row["spent"]
            leaves.append(row["digest"])
            in_step.append(row["digest"])
    head = next_head(head, in_step)
    if (seq, step, head, spent) != (grown["seq"], grown["step"], grown["chain"], grown["spent"]):
        raise FaultError("the entries since the last signed root do not match the wallet")
    await end()
    return cuts


def _root(cuts: Sequence[Cut], before: Root | None, world: World, signer: MessageSigner) -> Root:
    root = Root(
        number=1 if before is None else before.number + 1,
        made_at=world.clock.now(),
        cuts=len(cuts),
        entries=sum(cut.size for cut in cuts),
        previous=FIRST_PREVIOUS if before is None else root_digest(before),
        tree=tree_root([cut_bytes(cut) for cut in cuts]),
        key_id=signer.key_id,
    )
    return sign_root(root, signer)


async def _add(conn: asyncpg.Connection, root: Root, cuts: Sequence[Cut]) -> Root:
    rows = levels([cut_bytes(cut) for cut in cuts])
    async with conn.transaction():
        await conn.execute(SQL.add_root, *msgspec.structs.astuple(root))
        for begin in range(0, len(cuts), _PAGE):
            page = [
                msgspec.structs.replace(cut, root=root.number, place=place, path=b"".join(path_to(rows, place)))
                for place, cut in enumerate(cuts[begin : begin + _PAGE], begin)
            ]
            await conn.executemany(SQL.add_cut, [msgspec.structs.astuple(cut) for cut in page])
    return root
