"""How much credit a returned amount of money is, and the entries with which credit leaves or returns.

Invariant: the parts of a capture that go back never exceed it, and the last part completes it exactly, whatever its
exchange rate. So each part is computed from the whole: the money for all that has gone back including this part,
rounded down to the minor unit, less the money that had gone back before.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.funding import store
from tokenharbor.funding.amounts import BOOKS_CURRENCY, worth_in_usd
from tokenharbor.funding.context import Funding
from tokenharbor.funding.refund_types import CaptureBalance
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd, round_down, round_up
from tokenharbor.ledger import address, credit_moves
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Clawback, Credit
from tokenharbor.ledger.wallets import Wallets


@dataclass(frozen=True, slots=True)
class ReturnedMoney:
    """Money that goes back, and the credit of the lot that leaves for it."""

    money: Money
    amount: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditReturn:
    """Credit that leaves a lot for its processor. `reason` is the note of the entries. `asked_at` is when the owner
    asked for it: credit that comes back later gets the lifetime that the lot had left then, so nobody can extend an
    expiry by asking and cancelling.
    """

    account_id: UUID
    lot_id: UUID
    clearing: str
    reason: str
    asked_at: datetime | None = None


def money_of(capture: CaptureBalance, amount: Usd) -> ReturnedMoney:
    """Return the money that is paid back for `amount` of the lot, rounded down to the minor unit, and the least amount
    of the lot that this money is worth.
    """
    returned, returned_minor = _all_returned(capture)
    whole = capture.money.minor * (returned + amount) // capture.captured
    minor = max(0, min(whole, capture.money.minor) - returned_minor)
    least = round_up((returned_minor + minor) * capture.captured, capture.money.minor) - returned
    return ReturnedMoney(Money(capture.money.currency, minor), max(ZERO, min(least, amount)))


def amount_of(capture: CaptureBalance, money: Money) -> Usd:
    """Return the credit for money that has left. It may exceed what the capture has left."""
    returned = capture.refunded + capture.disputed
    returned_minor = capture.refunded_minor + capture.disputed_minor
    return max(Usd(1), round_up((returned_minor + money.minor) * capture.captured, capture.money.minor) - returned)


def _all_returned(capture: CaptureBalance) -> tuple[int, int]:
    """Return the credit and the money of a capture that have returned back or are about to."""
    returned = capture.refunded + capture.disputed + capture.leaving
    return returned, capture.refunded_minor + capture.disputed_minor + capture.leaving_minor


def tax_returned(capture: CaptureBalance, amount: Usd, minor: int) -> Usd:
    """Return the tax in a part that goes back; negative for a part that comes again.

    Like money, it is computed from the whole that has gone back.
    """
    returned, returned_minor = capture.refunded + capture.disputed, capture.refunded_minor + capture.disputed_minor
    before = _tax_in_returned(capture, returned, returned_minor)
    return _tax_in_returned(capture, returned + amount, returned_minor + minor) - before


def lost_of(capture: CaptureBalance, part: ReturnedMoney, asked: Usd, tax: Usd) -> Usd:
    """Return what a processor took beyond the capture, in USD. Of the credit `asked` that the money is worth, the
    account gives `part.amount` and its tax.
    """
    if part.money.currency == BOOKS_CURRENCY:
        return part.money.usd - part.amount - tax
    beyond = asked - part.amount
    return beyond + round_down(beyond * capture.tax, capture.captured)


def _tax_in_returned(capture: CaptureBalance, returned: Usd, returned_minor: int) -> Usd:
    """Return the tax in all the money that has gone back: its worth less the credit `returned`, at most the capture's
    tax.
    """
    worth = round_down((capture.captured + capture.tax) * returned_minor, capture.money.minor)
    return max(ZERO, min(worth - returned, capture.tax))


def clearing_of(capture: CaptureBalance) -> str:
    return address.clearing(capture.processor, capture.money.currency.lower())


class CreditReturns:
    """Moves one lot's credit to a processor and back, in the caller's transaction. Each call locks the wallet."""

    def __init__(self, conn: asyncpg.Connection, funding: Funding, wanted: CreditReturn) -> None:
        self._conn = conn
        self._wallets = Wallets(conn)
        self._world = funding.world
        self._wanted = wanted
        self._now = funding.world.clock.now()

    async def state(self) -> CreditState:
        return await self._wallets.lock(self._wanted.account_id, self._now)

    async def set_aside(self, amount: Usd) -> None:
        if amount:
            state = await self.state()
            await self._post(credit_moves.set_aside(state, self._stamp(), {self._wanted.lot_id: amount}))

    async def restore(self, amount: Usd) -> None:
        """Give credit that was set aside back to the account. It first pays debt that arose meanwhile."""
        if amount:
            state = await self.state()
            if _is_over(state, self._wanted.lot_id, self._now):
                stamp, amounts = self._stamp(), {self._wanted.lot_id: amount}
                await self._post(credit_moves.pay_out(state, stamp, amounts, self._wanted.clearing))
                return await self.grant_anew(amount)
            await self._post(credit_moves.restore(state, self._stamp(), {self._wanted.lot_id: amount}))
            await self.pay_debt()
        return None

    async def leave(self, amount: Usd, set_aside: Usd) -> None:
        """Move `amount` to the processor: first from the credit set aside, then from the lot, and the rest as debt.
        What was set aside beyond `amount` returns to the lot.
        """
        paid = min(amount, set_aside)
        if paid:
            amounts = {self._wanted.lot_id: paid}
            await self._post(credit_moves.pay_out(await self.state(), self._stamp(), amounts, self._wanted.clearing))
        if amount > paid:
            clawback = Clawback(
                self._world.ids.new(),
                self._wanted.account_id,
                self._wanted.lot_id,
                amount - paid,
                self._now,
                self._wanted.clearing,
                self._wanted.reason,
            )
            await self._wallets.claw(clawback)
        await self.restore(set_aside - paid)

    async def move_back(self, amount: Usd) -> None:
        """Give back credit that had left: to the lot as far as it lacks it, the rest as a new lot with its terms."""
        state = await self.state()
        own = ZERO
        if not _is_over(state, self._wanted.lot_id, self._now):
            own = min(amount, state.gone(self._wanted.lot_id))
        if own:
            amounts = {self._wanted.lot_id: own}
            await self._post(credit_moves.give_back(state, self._stamp(), amounts, self._wanted.clearing))
        await self.grant_anew(amount - own)

    async def grant_anew(self, amount: Usd) -> None:
        """Grant a new lot with the terms of the old one, to which credit cannot return.

        It lasts as long as the old lot did in all; with `asked_at`, as long as it had left then.
        """
        if not amount:
            return
        lot = (await self.state()).lots[self._wanted.lot_id]
        begins = max(lot.granted_at, self._wanted.asked_at or lot.granted_at)
        life = None if lot.expires_at is None else lot.expires_at - begins
        await self._wallets.credit(
            Credit(
                entry_id=self._world.ids.new(),
                lot_id=self._world.ids.new(),
                account_id=self._wanted.account_id,
                pool=lot.pool,
                origin="returned",
                amount=amount,
                at=self._now,
                reason=self._wanted.reason,
                expires_at=None if life is None else self._now + life,
                withdrawable_from=lot.withdrawable_from,
                source=self._wanted.clearing,
            )
        )

    async def owe_again(self, amount: Usd) -> None:
        """Give the lot back what it paid of the debt, which is owed again."""
        debt = address.debt(self._wanted.account_id)
        amounts = {self._wanted.lot_id: amount}
        await self._post(credit_moves.give_back(await self.state(), self._stamp(), amounts, debt))

    async def pay_debt(self, most: Usd | None = None) -> None:
        """Pay the account's debt from the lot, at most `most`, as far as the lot has credit."""
        state = await self.state()
        amount = min(state.debt, state.unspent(self._wanted.lot_id))
        amount = amount if most is None else min(amount, most)
        if amount:
            await self._post(credit_moves.take_debt(state, self._stamp(), {self._wanted.lot_id: amount}))

    async def book_differences(self, part: ReturnedMoney, *, tax: Usd, lost: Usd, back: bool = False) -> None:
        """Post the part of the money that was not credit: its tax; our loss, which the processor took beyond the
        capture; and, in another currency, the difference between its worth today and all of these. `back`: the money
        came back.
        """
        clearing, rate = self._wanted.clearing, None
        if part.money.currency != BOOKS_CURRENCY:
            rate = await store.read_rate(self._conn, part.money.currency)
        gain = 0 if rate is None else part.amount + tax + lost - worth_in_usd(part.money, rate)
        flows = ((lost, address.DISPUTE_LOSS, clearing), (tax, address.TAX, clearing), (gain, clearing, address.FX))
        postings = [
            Posting(Usd(abs(amount)), *((source, destination) if (amount > 0) is not back else (destination, source)))
            for amount, source, destination in flows
            if amount
        ]
        if postings:
            stamp = self._stamp()
            await self._post(
                CreditEntry(stamp.id, self._wanted.account_id, "claw", stamp.at, tuple(postings), note=stamp.note)
            )

    def _stamp(self) -> EntryStamp:
        return EntryStamp(self._world.ids.new(), self._now, self._wanted.reason)

    async def _post(self, entry: CreditEntry) -> None:
        await self._wallets.post(entry)


def _is_over(state: CreditState, lot_id: UUID, now: datetime) -> bool:
    """Return whether credit that returns to the lot would expire at once."""
    expires_at = state.lots[lot_id].expires_at
    return expires_at is not None and expires_at <= now
