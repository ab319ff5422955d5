"""Proofs: the path from an entry to the signed root that covers it."""

from dataclasses import dataclass

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.merkle import levels, path_to
from tokenharbor.ledger.roots import Cut, Root, read_cut, read_root
from tokenharbor.ledger.sign import SQL


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof of an entry: `path` leads from the entry to the cut's tree, the cut's own path to the root's tree."""

    path: tuple[bytes, ...]
    cut: Cut
    root: Root


async def prove(pool: asyncpg.Pool, entry: Entry) -> Proof | None:
    """Return the proof of an entry, or None if no root covers it yet. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        row = await pool.fetchrow(SQL.cut_of, entry.account_id, entry.seq)
        if row is None:
            return None
        cut = read_cut(row)
        root = await pool.fetchrow(SQL.one_root, cut.root)
        rows = await pool.fetch(SQL.digests, entry.account_id, cut.from_seq - 1, cut.to_seq, cut.size)
    if root is None or len(rows) != cut.size or not cut.from_seq <= entry.seq:
        return None
    path = path_to(levels([row["digest"] for row in rows]), entry.seq - cut.from_seq)
    return Proof(path, cut, read_root(root))
