"""Moves of credit, drawn at random: the same for every store of the books."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.credit_book import CreditBook
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.line import is_whole, line_end
from tokenharbor.ledger.memory_rows import WalletRow
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Restriction

KINDS = ("unlock", "reclaim_locked", "set_aside", "restore", "pay_out", "give_back", "take_debt")
SHARES = st.sampled_from([1, 1, 2, 3, 3, 3, 4, 0])
"""Thirds of the available amount; zero and more than all are refused."""

ADDRESSES = ("paid", "trial", "match", "promo", "locked", "payout", "debt", "elsewhere")
TYPES = st.sampled_from(["claw", "unlock", "payout", "paid_out", "restore"])
LEGS = st.lists(
    st.tuples(st.integers(1, 900), st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.integers(0, 2)),
    min_size=1,
    max_size=3,
)


@dataclass(frozen=True)
class Move:
    """Draw a move, with a share of the available amount of each lot."""

    kind: str
    lot_ids: Sequence[UUID]
    share: int
    stamp: EntryStamp

    def entry(self, state: CreditState) -> CreditEntry:
        there = {lot_id: self._there(state, lot_id) for lot_id in self.lot_ids if lot_id in state.lots}
        amounts = {lot_id: Usd(-(-amount * self.share // 3)) for lot_id, amount in there.items()}
        lot_id = self.lot_ids[0]
        match self.kind:
            case "unlock":
                return credit_moves.unlock(state, self.stamp, lot_id, amounts[lot_id])
            case "reclaim_locked":
                return credit_moves.reclaim_locked(state, self.stamp, lot_id, amounts[lot_id])
            case "pay_out":
                return credit_moves.pay_out(state, self.stamp, amounts, "clearing/stripe/usd")
            case "give_back":
                return credit_moves.give_back(state, self.stamp, amounts, "clearing/stripe/usd")
            case kind:
                return {
                    "set_aside": credit_moves.set_aside,
                    "restore": credit_moves.restore,
                    "take_debt": credit_moves.take_debt,
                }[kind](state, self.stamp, amounts)

    def _there(self, state: CreditState, lot_id: UUID) -> int:
        match self.kind:
            case "unlock" | "reclaim_locked":
                return state.locked(lot_id)
            case "restore" | "pay_out":
                return state.in_payout(lot_id)
            case "give_back":
                return state.gone(lot_id)
            case "take_debt":
                return min(state.unspent(lot_id), state.debt)
            case _:
                return state.unspent(lot_id)


async def perform(move: Move, account_id: UUID, wallets: CreditBook) -> tuple[CreditState, bool, bool]:
    """Move credit as every caller does, twice; return the state before."""
    async with wallets.transaction():
        state = await wallets.lock(account_id, move.stamp.at)
        entry = move.entry(state)
        return state, await wallets.post(entry), await wallets.post(entry)


def postings(account_id: UUID, lot_ids: Sequence[UUID], legs: Sequence[tuple[int, str, str, int]]) -> list[Posting]:
    """Draw any postings, sensible or not."""

    def address(name: str) -> str:
        return "clearing/stripe/usd" if name == "elsewhere" else f"account/{account_id}/{name}"

    return [
        Posting(Usd(amount), address(source), address(to), lot_ids[number] if number < len(lot_ids) else None)
        for amount, source, to, number in legs
    ]


def check_wallet(wallet: WalletRow, written: Sequence[Posting]) -> None:
    """What holds of an account after every step; `written` are all postings that there are."""
    state = wallet.state
    assert is_whole(state.line)
    assert 0 <= state.spent <= state.cut <= line_end(state.line)
    assert state.debt >= 0
    assert all(amount > 0 for amount in state.restricted.values())
    lots: Counter[UUID | None] = Counter()
    places: Counter[str] = Counter()
    own = f"account/{wallet.account_id}/"
    for posting in written:
        for where, amount in ((posting.destination, posting.amount), (posting.source, -posting.amount)):
            if where.startswith(own):
                places[where.removeprefix(own)] += amount
                lots[posting.lot_id] += 0 if where.endswith("/debt") else amount  # every lot that is named is there
    assert {lot_id: amount for lot_id, amount in lots.items() if lot_id} == {
        lot_id: state.laid(lot_id) + state.locked(lot_id) + state.in_payout(lot_id) for lot_id in state.lots
    }
    assert {place: amount for place, amount in places.items() if amount} == _places(state)
    assert line_end(state.line) == sum(state.drawn(lot_id) + state.remaining(lot_id) for lot_id in state.lots)
    assert all(state.gone(lot_id) >= 0 for lot_id in state.lots)
    assert sum(state.unspent(lot_id) for lot_id in state.lots) == state.available


def _places(state: CreditState) -> Mapping[str, int]:
    places: Counter[str] = Counter(debt=-state.debt)
    for lot_id, lot in state.lots.items():
        places[lot.pool] += state.laid(lot_id)
    for (_, place), amount in state.restricted.items():
        places[Restriction(place)] += amount
    return {place: amount for place, amount in places.items() if amount}
