"""The facts in the database about all accounts, read in one snapshot."""

from datetime import date, datetime
from typing import Final

import asyncpg
import msgspec

from tokenharbor.kernel.ids import UUID


class WalletFact(msgspec.Struct, frozen=True):
    account_id: UUID
    line_end: int
    spent: int
    held: int
    debt: int
    topped_up: int


class LotFact(msgspec.Struct, frozen=True):
    id: UUID
    account_id: UUID
    pool: str
    origin: str
    amount: int
    expires_at: datetime | None


class SegmentFact(msgspec.Struct, frozen=True):
    account_id: UUID
    start_at: int
    end_at: int
    lot_id: UUID


class RestrictedFact(msgspec.Struct, frozen=True):
    account_id: UUID
    lot_id: UUID
    place: str
    amount: int


class PostingFact(msgspec.Struct, frozen=True):
    amount: int
    source: str
    destination: str
    lot_id: UUID | None


class UsageFact(msgspec.Struct, frozen=True):
    """An entry of usage; `version` is of its price, in hex."""

    id: UUID
    account_id: UUID
    pos: int
    amount: int
    day: date
    version: str


class HoldFact(msgspec.Struct, frozen=True):
    account_id: UUID
    amount: int


class CaptureFact(msgspec.Struct, frozen=True):
    capture_id: str
    account_id: UUID
    lot_id: UUID
    captured: int
    captured_minor: int
    refunded: int
    refunded_minor: int
    disputed: int
    disputed_minor: int


class RefundFact(msgspec.Struct, frozen=True):
    id: UUID
    capture_id: str
    account_id: UUID
    state: str
    amount: int
    set_aside: int
    closed: int


class DisputeFact(msgspec.Struct, frozen=True):
    capture_id: str
    account_id: UUID
    state: str
    frozen: int
    taken: int
    lost: int


class RewardFact(msgspec.Struct, frozen=True):
    id: UUID
    account_id: UUID
    kind: str
    state: str
    amount: int


class MatchFact(msgspec.Struct, frozen=True):
    account_id: UUID
    instrument: str
    top_up_lot: UUID
    match_lot: UUID
    unlocked: int


class DayFact(msgspec.Struct, frozen=True):
    account_id: UUID
    day: date
    granted: int


class SourceFact(msgspec.Struct, frozen=True):
    lot_id: UUID
    returned: int
    reversed: int


class RedemptionFact(msgspec.Struct, frozen=True):
    code_id: UUID
    account_id: UUID


class WithdrawalFact(msgspec.Struct, frozen=True):
    account_id: UUID
    payee_id: UUID | None
    state: str
    amount: int


class Facts(msgspec.Struct, frozen=True):
    """Every row that holds money, of all accounts."""

    wallets: list[WalletFact]
    lots: list[LotFact]
    segments: list[SegmentFact]
    restricted: list[RestrictedFact]
    postings: list[PostingFact]
    usage: list[UsageFact]
    holds: list[HoldFact]
    captures: list[CaptureFact]
    refunds: list[RefundFact]
    disputes: list[DisputeFact]
    rewards: list[RewardFact]
    matches: list[MatchFact]
    days: list[DayFact]
    sources: list[SourceFact]
    redemptions: list[RedemptionFact]
    withdrawals: list[WithdrawalFact]


_ROWS: Final = {
    "wallets": "wallet",
    "lots": "lot",
    "segments": "(select * from segment order by account_id, start_at)",
    "restricted": "restricted_credit",
    "postings": "posting",
    "usage": "(select id, account_id, pos, amount, (at at time zone 'utc')::date as day, "
    "encode(price_version, 'hex') as version from entry where type = 'usage' order by account_id, pos)",
    "holds": "hold",
    "captures": "capture",
    "refunds": "refund",
    "disputes": "dispute",
    "rewards": "reward",
    "matches": "top_up_match",
    "days": "cashback_day",
    "sources": "cashback_source",
    "redemptions": "redemption",
    "withdrawals": "withdrawal",
}
_SQL: Final = "select json_build_object({})".format(
    ", ".join(f"'{name}', (select coalesce(json_agg(t), '[]') from {rows} t)" for name, rows in _ROWS.items())  # noqa: S608
)


async def read_facts(conn: asyncpg.Connection) -> Facts:
    return msgspec.json.decode(await conn.fetchval(_SQL), type=Facts)
