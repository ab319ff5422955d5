"""What money that goes back is in credit, and the entries with which credit leaves or returns.

A capture may go back in parts. All parts are computed from the whole: the money of a part is what the whole that has
gone back then makes, less what had gone back before; rounded down to the minor unit. So parts never exceed the capture,
and the last one ends it exactly, whatever the rate of its currency was.
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
    """Money that goes back, and what of the lot it stands for."""

    money: Money
    amount: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditReturn:
    """Credit that leaves a lot for its processor. `reason` is the entries' note. `asked_at`: its owner wanted it then,
    so what comes back has what was left of the lot's time, and nobody renews it by asking and cancelling.
    """

    account_id: UUID
    lot_id: UUID
    clearing: str
    reason: str
    asked_at: datetime | None = None


def money_of(capture: CaptureBalance, amount: Usd) -> ReturnedMoney:
    """What is paid back for so much of the lot, down to the minor unit; and how much of the lot that is."""
    gone, gone_minor = _gone(capture)
    whole = capture.money.minor * (gone + amount) // capture.captured
    minor = max(0, min(whole, capture.money.minor) - gone_minor)
    least = round_up((gone_minor + minor) * capture.captured, capture.money.minor) - gone
    return ReturnedMoney(Money(capture.money.currency, minor), max(ZERO, min(least, amount)))


def amount_of(capture: CaptureBalance, money: Money) -> Usd:
    """What of the lot such a sum stands for that has left: it may be more than the capture has left."""
    gone = capture.refunded + capture.disputed
    gone_minor = capture.refunded_minor + capture.disputed_minor
    return max(Usd(1), round_up((gone_minor + money.minor) * capture.captured, capture.money.minor) - gone)


def _gone(capture: CaptureBalance) -> tuple[int, int]:
    gone = capture.refunded + capture.disputed + capture.leaving
    return gone, capture.refunded_minor + capture.disputed_minor + capture.leaving_minor


def tax_returned(capture: CaptureBalance, amount: Usd, minor: int) -> Usd:
    """The tax in a part that goes back; below zero, in one that comes again. Of the whole that is gone, as money is."""
    gone, gone_minor = capture.refunded + capture.disputed, capture.refunded_minor + capture.disputed_minor
    return _tax_gone(capture, gone + amount, gone_minor + minor) - _tax_gone(capture, gone, gone_minor)


def lost_of(capture: CaptureBalance, part: ReturnedMoney, asked: Usd, tax: Usd) -> Usd:
    """What a processor took beyond the capture: `part.amount` of the lot and the tax on it are the account's, of the
    `asked` that the money stands for.
    """
    if part.money.currency == BOOKS_CURRENCY:
        return part.money.usd - part.amount - tax
    beyond = asked - part.amount
    return beyond + round_down(beyond * capture.tax, capture.captured)


def _tax_gone(capture: CaptureBalance, gone: Usd, gone_minor: int) -> Usd:
    """What of the money that is gone is no credit."""
    worth = round_down((capture.captured + capture.tax) * gone_minor, capture.money.minor)
    return max(ZERO, min(worth - gone, capture.tax))


def clearing_of(capture: CaptureBalance) -> str:
    return address.clearing(capture.processor, capture.money.currency.lower())


class CreditReturns:
    """Moves the credit of one lot in the caller's transaction; the wallet is locked by each call."""

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
        """What was set aside is the account's again; debt that came meanwhile is paid from it."""
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
        """So much leaves for the processor: first what was set aside of it, then the lot's rest, then debt. What was
        set aside beyond it returns.
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

    async def come_back(self, amount: Usd) -> None:
        """What had left is back: as far as the lot lacks it, in the lot; else as a new lot with its terms."""
        state = await self.state()
        own = ZERO
        if not _is_over(state, self._wanted.lot_id, self._now):
            own = min(amount, state.gone(self._wanted.lot_id))
        if own:
            amounts = {self._wanted.lot_id: own}
            await self._post(credit_moves.give_back(state, self._stamp(), amounts, self._wanted.clearing))
        await self.grant_anew(amount - own)

    async def grant_anew(self, amount: Usd) -> None:
        """A new lot with the terms of the one whose credit cannot return to it. Its time runs anew, or on."""
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
        """The lot has back what it paid of the debt."""
        debt = address.debt(self._wanted.account_id)
        amounts = {self._wanted.lot_id: amount}
        await self._post(credit_moves.give_back(await self.state(), self._stamp(), amounts, debt))

    async def pay_debt(self, most: Usd | None = None) -> None:
        """From the lot, as far as there is any."""
        state = await self.state()
        amount = min(state.debt, state.unspent(self._wanted.lot_id))
        amount = amount if most is None else min(amount, most)
        if amount:
            await self._post(credit_moves.take_debt(state, self._stamp(), {self._wanted.lot_id: amount}))

    async def book_differences(self, part: ReturnedMoney, *, tax: Usd, lost: Usd, back: bool = False) -> None:
        """What of the money was no credit: its tax; what a processor took beyond the capture, our loss; and what a sum
        in another currency is worth now beside all that, a difference of rates. `back`: the money has come back.
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
    """Whether what returns to the lot would expire at once."""
    expires_at = state.lots[lot_id].expires_at
    return expires_at is not None and expires_at <= now
