"""The SQL statements of queries.sql by name."""

from dataclasses import dataclass

from tokenharbor.db.queries import read_queries


@dataclass(frozen=True, slots=True)
class LedgerQueries:
    """The SQL of queries.sql."""

    place_holds: str
    place_holds_again: str
    end_requests: str
    release_requests: str
    drop_holds: str
    lock_free: str
    is_locked_by_others: str
    lock_all: str
    unknown_accounts: str
    standing_holds: str
    ended_requests: str
    written_requests: str


def read_statements() -> LedgerQueries:
    return read_queries(LedgerQueries, "tokenharbor.ledger")
