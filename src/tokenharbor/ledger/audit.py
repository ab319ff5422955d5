"""An audit: one account's entries recomputed in order, then held against its wallet, line and lots."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.chain import GENESIS, detail_digest, entry_digest, next_head, postings_digest
from tokenharbor.ledger.line import NEVER, drawn, is_whole, line_end, next_expiry
from tokenharbor.ledger.pages import State, Written
from tokenharbor.ledger.posting import Posting

_OF_REQUESTS = ("usage", "loss")


class FaultError(Exception):
    """What is off, in one line."""


@dataclass(slots=True)
class Audit:
    """Takes an account's entries in order; `close` says whether the rest of the account follows from them.

    `days` are the names of the days whose requests have not been dropped. Every call raises FaultError.
    """

    account_id: UUID
    state: State
    days: AbstractSet[str]
    seq: int = 0
    spent: int = 0
    step: int = 0
    head: bytes = GENESIS
    leaves: list[bytes] = field(default_factory=list)
    granted: Counter[UUID] = field(default_factory=Counter)
    withdrawn: Counter[UUID] = field(default_factory=Counter)
    flows: Counter[str] = field(default_factory=Counter)

    def take(self, written: Written) -> None:
        self._take_in_order(written)
        if written.entry.type in _OF_REQUESTS:
            self._take_request(written)
        else:
            self._take_postings(written)

    def close(self) -> None:
        self._close_step()
        self._check_wallet()
        self._check_line()
        self._check_lots()
        self._check_pools()

    def _take_in_order(self, written: Written) -> None:
        entry = written.entry
        if entry.seq != self.seq + 1:
            raise self._fault(f"entry {self.seq + 1} is missing, the next is {entry.seq}")
        if entry.step != self.step:
            self._close_step()
            self.step += 1
        placed = (entry.step, entry.ordinal, entry.pos)
        due = (self.step, len(self.leaves), self.spent)
        if placed != due:
            raise self._fault(f"entry {entry.seq} has step, ordinal and position {placed} instead of {due}")
        self.leaves.append(entry_digest(entry))
        self.seq += 1

    def _take_request(self, written: Written) -> None:
        entry = written.entry
        if entry.type == "usage":
            self.spent += entry.amount
        if written.detail is not None and written.salt is not None:
            if detail_digest(written.salt, written.detail) != entry.detail_digest:
                raise self._fault(f"the detail of {ids.show('req', entry.id)} was changed")
        elif not written.has_request and f"request_{ids.at(entry.id):%Y%m%d}" in self.days:
            raise self._fault(f"{ids.show('req', entry.id)} has an entry and no request")

    def _take_postings(self, written: Written) -> None:
        if postings_digest(written.postings) != written.entry.detail_digest:
            raise self._fault(f"the postings of entry {written.entry.seq} were changed")
        for posting in written.postings:
            self._take_posting(posting)

    def _take_posting(self, posting: Posting) -> None:
        own = f"account/{self.account_id}/"
        for address, sign in ((posting.source, -1), (posting.destination, 1)):
            if address.startswith(own):
                self.flows[address.removeprefix(own)] += sign * posting.amount
            elif address.startswith("account/"):
                raise self._fault(f"a posting touches {address}, which is another account's")
        if posting.lot_id is None:
            return
        if not posting.source.startswith(own):
            self.granted[posting.lot_id] += posting.amount
        elif posting.source != f"{own}debt":
            self.withdrawn[posting.lot_id] += posting.amount

    def _close_step(self) -> None:
        if self.leaves:
            self.head = next_head(self.head, self.leaves)
            self.leaves.clear()

    def _check_wallet(self) -> None:
        wallet = self._wallet
        if (wallet["last_seq"] or 0) != wallet["seq"]:
            raise self._fault(f"entries go on to {wallet['last_seq']}, the wallet counts {wallet['seq']}")
        if self.seq != wallet["seq"]:
            raise self._fault(f"there are {self.seq} entries, the wallet counts {wallet['seq']}")
        if self.spent != wallet["spent"]:
            raise self._fault(f"{Usd(self.spent)} is spent, the wallet says {Usd(wallet['spent'])}")
        if (self.step, self.head) != (wallet["step"], wallet["chain"]):
            raise self._fault(f"the chain of {self.step} steps does not end in the wallet's head")
        debt = -self.flows.pop("debt", 0)
        if debt != wallet["debt"]:
            raise self._fault(f"the debt is {Usd(debt)}, the wallet says {Usd(wallet['debt'])}")

    def _check_line(self) -> None:
        wallet, line, lots = self._wallet, self.state.line, self.state.lots
        if not is_whole(line):
            raise self._fault("the line has a gap or an overlap")
        if line_end(line) != wallet["line_end"]:
            raise self._fault(f"the line ends at {Usd(line_end(line))}, the wallet says {Usd(wallet['line_end'])}")
        if not 0 <= wallet["spent"] <= wallet["spent"] + wallet["held"] <= wallet["line_end"]:
            raise self._fault("more is spent and held than there is")
        for segment in line:
            if segment.lot_id not in lots:
                raise self._fault(f"the line draws on {ids.show('lot', segment.lot_id)}, which is not the account's")
        due = next_expiry(line, lots, wallet["spent"])
        if (wallet["next_expiry"] or NEVER) > due:
            raise self._fault(f"credit expires at {due:%Y-%m-%d %H:%M:%S}, which the wallet would miss")

    def _check_lots(self) -> None:
        laid: Counter[UUID] = Counter()
        for lot_id, amount in drawn(self.state.line, 0, line_end(self.state.line)):
            laid[lot_id] += amount
        for lot_id in {*self.state.lots, *self.granted}:
            name, lot = ids.show("lot", lot_id), self.state.lots.get(lot_id)
            if lot is None:
                raise self._fault(f"{name} was granted and is gone")
            if self.granted[lot_id] != lot.amount:
                raise self._fault(f"{name} has {lot.amount}, granted was {Usd(self.granted[lot_id])}")
            there = laid[lot_id] + self.withdrawn[lot_id]
            if there != lot.amount:
                raise self._fault(f"{name} has {lot.amount}, line and postings make {Usd(there)}")

    def _check_pools(self) -> None:
        """What the postings leave in each pool is what lies on the line beyond `spent`."""
        lots, line = self.state.lots, self.state.line
        for lot_id, drawn_amount in drawn(line, 0, line_end(line)):
            self.flows[lots[lot_id].pool] -= drawn_amount
        for pool, amount in self.flows.items():
            if amount:
                raise self._fault(f"postings and line differ by {Usd(amount)} in {pool}")

    @property
    def _wallet(self) -> Mapping[str, Any]:
        if self.state.wallet is None:
            raise self._fault("there are entries and no wallet")
        return self.state.wallet

    def _fault(self, what: str) -> FaultError:
        return FaultError(f"{ids.show('acct', self.account_id)}: {what}")
