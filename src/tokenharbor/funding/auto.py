"""Auto top-up with brakes: off by default, one charge at a time, a monthly ceiling, pauses, stopped when in doubt.

Invariant: an account is charged at most once for each decision. The decision and the intent are one transaction under
the wallet's lock; only then does `fulfil` charge the saved method, and if the answer is lost, it asks again with the
same key.

The unspent balance (`line_end - spent`) is compared, so a large hold triggers nothing. A payment that fails or needs
its payer, and a key or account that suddenly spends many times the usual, switch auto top-up off with a reason; so do
refunds, withdrawals and disputes. While the account has a debt, it waits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

import asyncpg

from tokenharbor.db.each_row import EachRow
from tokenharbor.editions.policy import AutoTopUpPolicy, Policy
from tokenharbor.funding import auto_store, store
from tokenharbor.funding.amounts import BOOKS_CURRENCY, price_top_up
from tokenharbor.funding.auto_store import AutoTopUpSituation, ChargeableMethod, KeySpending
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.topups import FIRST_SWEEP_AFTER
from tokenharbor.funding.types import AutoTopUp, AutoTopUpStop, TopUp, TopUpState
from tokenharbor.identity.store import get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import ProcessorUnavailable, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import ProcessorAbility

USUAL_DAYS: Final = 7
"""How many days a key or an account must have existed before its average spending is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTopUpSettings:
    """An owner's settings: charge `amount` if less than `threshold` is left, at most `month_most` in a UTC month."""

    threshold: Usd
    amount: Usd
    month_most: Usd
    actor: str
    processor: str | None = None


class AutoTopUpBrake(StrEnum):
    """Why the next charge waits."""

    IN_FLIGHT = "in_flight"  # an earlier charge is not final
    DEBT = "debt"
    CEILING = "ceiling"  # the ceiling of the month is reached
    PAUSE = "pause"  # the pause after the latest charge


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTopUpOutlook:
    """An account's auto top-up now. `wanted` is None if it was never switched on. `brake` says why the next charge
    waits, `goes_on_at` until when, if known. `this_month` was charged in this UTC month, `saved` are the methods that
    can be charged, `policy` has the edition's bounds.
    """

    account_id: UUID
    wanted: AutoTopUp | None
    brake: AutoTopUpBrake | None
    goes_on_at: datetime | None
    this_month: Usd
    saved: Sequence[ChargeableMethod]
    policy: AutoTopUpPolicy

    @property
    def enabled(self) -> bool:
        return self.wanted is not None and self.wanted.enabled

    @property
    def stop_code(self) -> AutoTopUpStop | None:
        """Why it was switched off, as a code for other languages."""
        return None if self.wanted is None else self.wanted.stop_code

    @property
    def stop_reason(self) -> str:
        """Why it was switched off; "" if a person did so."""
        return "" if self.wanted is None else self.wanted.stop_reason


async def show_auto_top_up(funding: Funding, account_id: UUID) -> AutoTopUpOutlook:
    """Return the account's auto top-up. Raises Missing."""
    async with funding.acquire() as conn:
        return await _read_outlook(conn, funding, account_id)


async def set_auto_top_up(funding: Funding, account_id: UUID, settings: AutoTopUpSettings) -> AutoTopUpOutlook:
    """Switch auto top-up on. Raises Missing; Rejected if the edition does not allow it or no method is saved."""
    policy, now = funding.policy(), funding.world.clock.now()
    _check_settings(policy.auto_topup, settings)
    price_top_up(policy.topups, settings.amount, BOOKS_CURRENCY, None, now)
    async with funding.change() as conn:
        await get_account(conn, account_id)
        processor = await _processor_with_method(conn, funding, account_id, settings.processor)
        wanted = AutoTopUp(
            account_id=account_id,
            enabled=True,
            processor=processor,
            threshold=settings.threshold,
            amount=settings.amount,
            month_most=settings.month_most,
            changed_at=now,
            actor=settings.actor,
        )
        await auto_store.put(conn, wanted)
        return await _read_outlook(conn, funding, account_id)


async def switch_off_auto_top_up(funding: Funding, account_id: UUID, actor: str) -> AutoTopUpOutlook:
    """Switch auto top-up off. Raises Missing."""
    async with funding.change() as conn:
        await get_account(conn, account_id)
        await auto_store.switch_off(conn, account_id, funding.world.clock.now(), actor)
        return await _read_outlook(conn, funding, account_id)


async def top_up_low_accounts(funding: Funding) -> None:
    """Charge every account that is due; for a job. If a processor does not answer, the sweep asks it again.

    Raises the first failure of an account after all were tried.
    """
    async with funding.acquire() as conn:
        low = await auto_store.list_low(conn)
    each = EachRow("auto_topup")
    await each.do(low, partial(_top_up, funding))
    each.end()


async def _top_up(funding: Funding, account_id: UUID) -> None:
    top_up = await _begin(funding, account_id)
    if top_up is not None:
        try:
            await fulfil(funding, top_up.id)
        except ProcessorUnavailable as error:
            async with funding.acquire() as conn:
                await store.note_fault(conn, top_up.id, str(error))


async def _begin(funding: Funding, account_id: UUID) -> TopUp | None:
    """Commit the intent for a charge. Return None if none is due, a brake holds, or auto top-up was stopped."""
    now = funding.world.clock.now()
    async with funding.change() as conn:
        await Wallets(conn).lock_wallet(account_id, now)  # only this process decides for this account from here on
        wanted = await auto_store.lock(conn, account_id)
        situation = await auto_store.read_situation(conn, account_id, _month_of(now))
        if wanted is None or not _is_due(funding.policy().auto_topup, wanted, situation, now):
            return None
        keys = await auto_store.read_key_spending(conn, account_id, now)
        reason = _reason_to_stop(funding.policy(), wanted, keys, now)
        if reason is None:
            return await store.add_top_up(conn, _intent(funding, wanted, now))
        await auto_store.stop(conn, account_id, *reason, now)
    funding.report(FundingAlarm.AUTO_TOP_UP_STOPPED, ids.show("acct", account_id), wanted.processor)
    return None


async def _read_outlook(conn: asyncpg.Connection, funding: Funding, account_id: UUID) -> AutoTopUpOutlook:
    """Return the account's auto top-up. Raises Missing."""
    policy, now = funding.policy().auto_topup, funding.world.clock.now()
    await get_account(conn, account_id)
    wanted = await auto_store.get(conn, account_id)
    situation = await auto_store.read_situation(conn, account_id, _month_of(now))
    charging = {processor.name for processor in funding.offered(ProcessorAbility.CHARGE_SAVED)}
    saved = [each for each in await auto_store.list_saved(conn, account_id) if each.processor in charging]
    brake = None if wanted is None else _find_brake(policy, wanted, situation, now)
    return AutoTopUpOutlook(
        account_id=account_id,
        wanted=wanted,
        brake=brake,
        goes_on_at=_goes_on_at(policy, situation, brake, now),
        this_month=situation.this_month,
        saved=saved,
        policy=policy,
    )


def _is_due(policy: AutoTopUpPolicy, wanted: AutoTopUp, situation: AutoTopUpSituation, now: datetime) -> bool:
    is_wanted = policy.enabled and wanted.enabled and situation.unspent < wanted.threshold
    return is_wanted and _find_brake(policy, wanted, situation, now) is None


def _find_brake(
    policy: AutoTopUpPolicy, wanted: AutoTopUp, situation: AutoTopUpSituation, now: datetime
) -> AutoTopUpBrake | None:
    if situation.in_flight:
        return AutoTopUpBrake.IN_FLIGHT
    if situation.debt:
        return AutoTopUpBrake.DEBT
    if situation.this_month + wanted.amount > min(wanted.month_most, policy.month):
        return AutoTopUpBrake.CEILING
    if situation.latest is not None and situation.latest + timedelta(minutes=policy.cooldown_minutes) > now:
        return AutoTopUpBrake.PAUSE
    return None


def _goes_on_at(
    policy: AutoTopUpPolicy, situation: AutoTopUpSituation, brake: AutoTopUpBrake | None, now: datetime
) -> datetime | None:
    if brake is AutoTopUpBrake.CEILING:
        return _month_of(_month_of(now) + timedelta(days=31))
    if brake is AutoTopUpBrake.PAUSE and situation.latest is not None:
        return situation.latest + timedelta(minutes=policy.cooldown_minutes)
    return None


def _reason_to_stop(
    policy: Policy, wanted: AutoTopUp, keys: Iterable[KeySpending], now: datetime
) -> tuple[AutoTopUpStop, str] | None:
    """Return why auto top-up must stop, None if it may go on. The edition may no longer sell the amount."""
    try:
        price_top_up(policy.topups, wanted.amount, BOOKS_CURRENCY, None, now)
    except Rejected as error:
        return AutoTopUpStop.NOT_SOLD, str(error)
    suspect = find_suspect(keys, wanted.amount, policy.auto_topup.theft_factor)
    if suspect is None:
        return None
    spender = "all keys together" if suspect.key_id is None else ids.show("key", suspect.key_id)
    usual = Usd(suspect.before // suspect.days)
    reason = (
        f"{spender} spent {suspect.today.brief_up()} USD today, {usual.brief_down()} USD on an average day: stolen?"
    )
    return AutoTopUpStop.SPENDING, reason


def find_suspect(keys: Iterable[KeySpending], amount: Usd, factor: int) -> KeySpending | None:
    """Return the key that may be stolen, if any: at least a week old, today's spending at least `amount` and more than
    `factor` times its daily average. A younger key has no average yet, but its spending counts in the account's total.
    """
    for key in keys:
        is_measurable = key.days >= USUAL_DAYS and key.today >= amount
        if is_measurable and key.today * key.days > key.before * factor:
            return key
    return None


def _intent(funding: Funding, wanted: AutoTopUp, now: datetime) -> TopUp:
    price = price_top_up(funding.policy().topups, wanted.amount, BOOKS_CURRENCY, None, now)
    top_up_id = funding.world.ids.new()
    return TopUp(
        id=top_up_id,
        account_id=wanted.account_id,
        idempotency_key=f"auto/{ids.show('topup', top_up_id)}",
        processor=wanted.processor,
        method="saved",
        created_at=now,
        actor="auto-topup",
        money=price.money,
        tax_minor=0,
        credit=price.credit,
        state=TopUpState.OPEN,
        automatic=True,
        pretended=wanted.processor in funding.pretended,
        save_method=False,
        looks=0,
        next_look_at=now + FIRST_SWEEP_AFTER,
    )


def _check_settings(policy: AutoTopUpPolicy, settings: AutoTopUpSettings) -> None:
    if not policy.enabled:
        raise Rejected("this edition does not offer auto top-up", param="auto_topup").because(
            ErrorReason.AUTO_TOP_UP_NOT_OFFERED
        )
    if settings.threshold < policy.min_threshold:
        raise Rejected(f"the threshold must be at least ${policy.min_threshold.brief_up()}", param="threshold").because(
            ErrorReason.THRESHOLD_LEAST, least_usd=policy.min_threshold
        )
    if not settings.amount <= settings.month_most <= policy.month:
        most = policy.month.brief_down()
        words = f"the monthly ceiling must be at least the amount, and at most ${most}"
        raise Rejected(words, param="month").because(ErrorReason.MONTH_CEILING, most_usd=policy.month)
    if settings.amount <= ZERO:
        raise Rejected("an amount must be above 0", param="amount").because(ErrorReason.AMOUNT_NOT_POSITIVE)


async def _processor_with_method(
    conn: asyncpg.Connection, funding: Funding, account_id: UUID, wanted: str | None
) -> str:
    """Return the first processor that may charge the account's saved method. Raises Rejected."""
    for processor in funding.offered(ProcessorAbility.CHARGE_SAVED):
        if wanted in (None, processor.name) and await store.read_saved_method(conn, account_id, processor.name):
            return processor.name
    raise Rejected("no payment method is saved: make a top-up that saves one", param="processor").because(
        ErrorReason.METHOD_NOT_SAVED
    )


def _month_of(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
