"""The audit of an account: its entries replayed in order, then compared with everything else of the account."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.chain import (
    GENESIS,
    entry_digest,
    line_digest,
    lot_digest,
    next_head,
    postings_digest,
    sealed_digest,
)
from tokenharbor.ledger.cuts import CutAudit
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.line import NEVER, drawn, is_whole, line_end, next_expiry
from tokenharbor.ledger.metering import KeyMeterAudit
from tokenharbor.ledger.pages import AccountState, StoredEntry
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.stage_audit import StageAudit
from tokenharbor.ledger.totals_audit import TotalsAudit
from tokenharbor.ledger.types import Restriction

_OF_REQUESTS = ("usage", "loss")
_RESTRICTIONS = frozenset(Restriction)


@dataclass(slots=True)
class AccountAudit:
    """A replay of an account's entries: `take` each in order, then `close` compares the account's state with the sums.
    `days` names the partitions of requests that have not been dropped. Every call raises FaultError.
    """

    account_id: UUID
    state: AccountState
    days: AbstractSet[str]
    seq: int = 0
    spent: int = 0
    step: int = 0
    head: bytes = GENESIS
    leaves: list[bytes] = field(default_factory=list)
    granted: Counter[UUID] = field(default_factory=Counter)
    remaining_by_lot: Counter[UUID] = field(default_factory=Counter)  # the rest of each lot, by its postings
    restricted: Counter[tuple[UUID, str]] = field(default_factory=Counter)  # the part of it that is off the line
    flows: Counter[str] = field(default_factory=Counter)
    prices: set[bytes] = field(default_factory=set)  # all versions that entries name
    sealed_line: bytes | None = None  # of the last entry that changed the line
    metering: KeyMeterAudit = field(init=False)
    unexplained: UUID | None = None  # the latest request without a row, of a day that was not dropped
    cuts: CutAudit = field(init=False)
    totals: TotalsAudit = field(init=False)
    stages: StageAudit = field(init=False)

    def __post_init__(self) -> None:
        self.metering = KeyMeterAudit(self.state.meters)
        self.cuts = CutAudit(self.state.cuts)
        self.totals = TotalsAudit(self.state.counted, self.state.hours)
        self.stages = StageAudit(self.state.counted, self.state.stages)

    def take(self, stored: StoredEntry) -> None:
        self._take_in_order(stored)
        if stored.entry.type in _OF_REQUESTS:
            self._take_request(stored)
        else:
            self._take_postings(stored)
        self.cuts.take(self.leaves[-1])
        if self.cuts.ends_at(self.seq):
            self.cuts.end(self.step, self.spent, next_head(self.head, self.leaves))

    def close(self) -> None:
        self._close_step()
        self._check_wallet()
        self._check_restricted()
        self._check_line()
        self._check_lots()
        self._check_pools()
        self.metering.close(self.spent)
        self.cuts.close(self.state.line)
        self.totals.close(self.seq)
        self.stages.close()

    def _take_in_order(self, stored: StoredEntry) -> None:
        entry = stored.entry
        if entry.seq != self.seq + 1:
            raise FaultError(f"entry {self.seq + 1} is missing; the next entry is {entry.seq}")
        if entry.step != self.step:
            self._close_step()
            self.step += 1
        position = (entry.step, entry.ordinal, entry.pos)
        expected = (self.step, len(self.leaves), self.spent)
        if position != expected:
            raise FaultError(f"entry {entry.seq} has step, ordinal and position {position} instead of {expected}")
        self.leaves.append(entry_digest(entry))
        self.seq += 1

    def _take_request(self, stored: StoredEntry) -> None:
        entry = stored.entry
        if entry.type == "usage":
            self.spent += entry.amount
            if entry.provider:  # else it is a salted digest of the version: see `request_row.py`
                self.prices.add(entry.price_version)
        if stored.key_id is None and f"request_{ids.made_at(entry.id):%Y%m%d}" in self.days:
            self.unexplained = max(entry.id, self.unexplained or entry.id)
        self.metering.take(entry, stored.key_id)
        self.totals.take(stored)
        self.stages.take(stored)

    def _take_postings(self, stored: StoredEntry) -> None:
        entry = stored.entry
        if entry.detail_digest != self._digest_of(stored):
            raise FaultError(f"entry {entry.seq} was changed: its postings, the terms of its lot, or its seal")
        self.sealed_line = stored.sealed_line
        for posting in stored.postings:
            self._take_posting(posting, entry)

    def _digest_of(self, stored: StoredEntry) -> bytes:
        if stored.sealed_line is None:  # older than seals
            return postings_digest(stored.postings)
        named = dict.fromkeys(posting.lot_id for posting in stored.postings)
        new_lots = [lot_id for lot_id in named if lot_id and self.state.granted_by.get(lot_id) == stored.entry.id]
        terms = b"".join([lot_digest(self.account_id, self.state.lots[lot_id]) for lot_id in new_lots])
        return sealed_digest(stored.postings, terms, stored.sealed_line)

    def _take_posting(self, posting: Posting, entry: Entry) -> None:
        own = address.account_prefix(self.account_id)
        for where, amount in ((posting.source, -posting.amount), (posting.destination, posting.amount)):
            if where.startswith(own):
                self._take_flow(posting.lot_id, where.removeprefix(own), amount)
            elif where.startswith("account/"):
                raise FaultError(f"a posting uses {where}, which belongs to another account")
        lot_id = posting.lot_id
        if lot_id is None or posting.source.startswith(own) or not posting.destination.startswith(own):
            return
        if self.state.granted_by.get(lot_id, entry.id) == entry.id:
            self.granted[lot_id] += posting.amount
        elif entry.type != "restore":
            raise FaultError(f"{ids.show('lot', lot_id)} refers to another entry than the one that granted it")

    def _take_flow(self, lot_id: UUID | None, place: str, amount: int) -> None:
        self.flows[place] += amount
        if lot_id is not None and place != "debt":
            self.remaining_by_lot[lot_id] += amount
            if place in _RESTRICTIONS:
                self.restricted[lot_id, place] += amount

    def _close_step(self) -> None:
        if self.leaves:
            self.head = next_head(self.head, self.leaves)
            self.leaves.clear()

    def _check_wallet(self) -> None:
        wallet = self._wallet
        if (wallet["last_seq"] or 0) != wallet["seq"]:
            raise FaultError(f"the last entry is {wallet['last_seq']}, but the wallet has {wallet['seq']}")
        if self.seq != wallet["seq"]:
            raise FaultError(f"there are {self.seq} entries, but the wallet has {wallet['seq']}")
        if self.spent != wallet["spent"]:
            raise FaultError(f"{Usd(self.spent)} is spent, but the wallet has {Usd(wallet['spent'])}")
        if (self.step, self.head) != (wallet["step"], wallet["chain"]):
            raise FaultError(f"the hash chain of {self.step} steps does not end at the head in the wallet")
        debt = -self.flows.pop("debt", 0)
        if debt != wallet["debt"]:
            raise FaultError(f"the debt is {Usd(debt)}, but the wallet has {Usd(wallet['debt'])}")

    def _check_restricted(self) -> None:
        if {where: amount for where, amount in self.restricted.items() if amount} != self.state.restricted:
            raise FaultError("the credit that is locked or being paid out differs from the postings")
        for lot_id, place in self.state.restricted:
            if lot_id not in self.state.lots:
                raise FaultError(f"{ids.show('lot', lot_id)} is {place}, but does not belong to the account")

    def _check_line(self) -> None:
        wallet, line, lots = self._wallet, self.state.line, self.state.lots
        if not is_whole(line):
            raise FaultError("the line has a gap or an overlap")
        if line_end(line) != wallet["line_end"]:
            raise FaultError(f"the line ends at {Usd(line_end(line))}, but the wallet has {Usd(wallet['line_end'])}")
        if not 0 <= wallet["spent"] <= wallet["spent"] + wallet["held"] <= wallet["line_end"]:
            raise FaultError("spent and held exceed the credit")
        for segment in line:
            if segment.lot_id not in lots:
                raise FaultError(
                    f"the line uses {ids.show('lot', segment.lot_id)}, which does not belong to the account"
                )
        if self.sealed_line is not None and line_digest(line) != self.sealed_line:
            raise FaultError("the line differs from the line after the last entry that changed it")
        self._check_expiry()

    def _check_expiry(self) -> None:
        """Check the wallet's next expiry. It may be early, as spending does not update it, but is always a lot's."""
        line, lots = self.state.line, self.state.lots
        locked = [lot_id for lot_id, place in self.state.restricted if place is Restriction.LOCKED]
        due = next_expiry(line, lots, self._wallet["spent"], locked)
        stated = self._wallet["next_expiry"] or NEVER
        if stated > due:
            raise FaultError(f"credit expires at {due:%Y-%m-%d %H:%M:%S}, but the wallet does not expect it")
        if stated not in {NEVER, *(lot.expires_at for lot in lots.values())}:
            raise FaultError(f"the wallet expects an expiry at {stated:%Y-%m-%d %H:%M:%S}, but no lot expires then")

    def _check_lots(self) -> None:
        laid: Counter[UUID] = Counter()
        for lot_id, amount in drawn(self.state.line, 0, line_end(self.state.line)):
            laid[lot_id] += amount
        for lot_id in {*self.state.lots, *self.granted}:
            name, lot = ids.show("lot", lot_id), self.state.lots.get(lot_id)
            if lot is None:
                raise FaultError(f"{name} was granted but is missing")
            if self.granted[lot_id] != lot.amount:
                raise FaultError(f"{name} has {lot.amount}, but the grant was {Usd(self.granted[lot_id])}")
            remaining = laid[lot_id] + sum(self.state.restricted.get((lot_id, place), 0) for place in Restriction)
            if not remaining == self.remaining_by_lot[lot_id] <= lot.amount:
                raise FaultError(
                    f"{name} has {Usd(remaining)} left, but its postings leave {Usd(self.remaining_by_lot[lot_id])}"
                )

    def _check_pools(self) -> None:
        """Check that the postings' balance of each pool lies on the line, and that of each restriction in its row."""
        lots, line = self.state.lots, self.state.line
        for lot_id, drawn_amount in drawn(line, 0, line_end(line)):
            self.flows[lots[lot_id].pool] -= drawn_amount
        for (_, place), beside in self.state.restricted.items():
            self.flows[place] -= beside
        for pool, amount in self.flows.items():
            if amount:
                raise FaultError(f"postings and line differ by {Usd(amount)} in {pool}")

    @property
    def _wallet(self) -> Mapping[str, Any]:
        if self.state.wallet is None:
            raise FaultError("the account has entries but no wallet")
        return self.state.wallet
