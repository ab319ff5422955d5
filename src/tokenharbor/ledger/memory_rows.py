"""The rows `wallet` and `key_meter` of the books in memory, with line, lots, charges and counts."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.chain import GENESIS, entry_digest, next_head
from tokenharbor.ledger.credit_state import CreditState
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.line import NEVER, Line, Lot, line_end, next_expiry
from tokenharbor.ledger.memory_rates import Budgets, FreeCount, PeriodCharges, RateCount, or_all
from tokenharbor.ledger.types import HoldRefusal, KeyLimits, Restriction


@dataclass(slots=True)
class WalletRow:
    """An account's row. Lines, lots and leaves are replaced, never changed, so a copy of the fields is a full copy."""

    account_id: UUID
    spent: int = 0
    held: int = 0
    debt: int = 0
    next_expiry: datetime = NEVER
    line: Line = ()
    lots: Mapping[UUID, Lot] = field(default_factory=dict)
    restricted: Mapping[tuple[UUID, Restriction], Usd] = field(default_factory=dict)
    seq: int = 0
    step: int = 0
    chain: bytes = GENESIS
    leaves: tuple[bytes, ...] = ()  # of the step that is being written
    budgets: Budgets = field(default_factory=Budgets)
    periods: PeriodCharges = field(default_factory=PeriodCharges)
    rates: RateCount = field(default_factory=RateCount)
    frees: FreeCount = field(default_factory=FreeCount)

    @property
    def cut(self) -> int:
        """The position where the free part of the line begins."""
        return self.spent + self.held

    @property
    def free(self) -> Usd:
        return Usd(line_end(self.line) - self.cut)

    def limits_left(self, at: datetime) -> Mapping[HoldRefusal, int]:
        """Return what the budgets still allow, in the order of their check."""
        day, month = self.periods.budgets_left(self.budgets, self.held, at)
        return {HoldRefusal.ACCOUNT_DAILY: day, HoldRefusal.ACCOUNT_MONTHLY: month}

    def charge(self, amount: int, at: datetime) -> None:
        self.spent += amount
        self.periods = self.periods.charged(amount, at)

    @property
    def state(self) -> CreditState:
        """The account's credit."""
        debt = Usd(self.debt)
        return CreditState(self.account_id, self.spent, self.held, debt, self.line, self.lots, self.restricted)

    def put(self, state: CreditState) -> None:
        """Store the account's credit after an entry."""
        self.debt, self.line, self.lots, self.restricted = state.debt, state.line, state.lots, state.restricted
        locked = [lot_id for lot_id, place in state.restricted if place is Restriction.LOCKED]
        self.next_expiry = next_expiry(state.line, state.lots, self.spent, locked)

    def write(self, entry: Entry) -> Entry:
        """Return the entry with its number and its place in the chain."""
        placed = msgspec.structs.replace(
            entry, seq=self.seq + 1, pos=self.spent, step=self.step + 1, ordinal=len(self.leaves)
        )
        self.seq += 1
        self.leaves = (*self.leaves, entry_digest(placed))
        return placed

    def close_step(self) -> None:
        if self.leaves:
            self.chain = next_head(self.chain, self.leaves)
            self.step += 1
            self.leaves = ()


@dataclass(slots=True)
class KeyMeter:
    """A key's row: its limits and what it has spent and holds."""

    account_id: UUID
    limits: KeyLimits
    spent: int = 0
    held: int = 0
    periods: PeriodCharges = field(default_factory=PeriodCharges)
    rates: RateCount = field(default_factory=RateCount)

    def limits_left(self, at: datetime) -> Mapping[HoldRefusal, int]:
        """Return what quota and budgets still allow, in the order of their check."""
        limits = self.limits
        day, month = self.periods.budgets_left(Budgets(limits.daily, limits.monthly), self.held, at)
        quota = or_all(limits.quota) - self.spent - self.held
        return {HoldRefusal.QUOTA: quota, HoldRefusal.DAILY: day, HoldRefusal.MONTHLY: month}

    def charge(self, amount: int, at: datetime) -> None:
        self.spent += amount
        self.periods = self.periods.charged(amount, at)


Row = TypeVar("Row", WalletRow, KeyMeter)


def keep(row: Row) -> Callable[[], None]:
    """Return a function that restores a row to its present state."""
    before = copy(row)

    def put_back() -> None:
        for name in row.__slots__:
            setattr(row, name, getattr(before, name))

    return put_back
