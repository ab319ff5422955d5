"""An account that withdraws: top-ups that can still go back, old ones, and rewards that have matured."""

from datetime import timedelta
from typing import Any

import msgspec
from tests.funding.conftest import Till

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.editions.load import load_edition
from tokenharbor.funding.audit import find_capture_fault
from tokenharbor.funding.disputes import apply_dispute
from tokenharbor.funding.events import handle_events, receive_webhook
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.payees import NewPayee, add_payee, verify_payee
from tokenharbor.funding.sweep import sweep_refunds, sweep_withdrawals
from tokenharbor.funding.types import TopUp
from tokenharbor.funding.withdrawal_types import SavedPayee, Withdrawal
from tokenharbor.funding.withdrawals import WithdrawalRequest, approve_withdrawal, ask_withdrawal
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Clawback, Credit, Pool
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import DisputeState, EventSubject, ProcessorDispute, ProcessorEvent, ProcessorPayout

DOLLAR = Usd.parse("1")
REFUNDABLE_DAYS = 180


def open_withdrawals(till: Till, **fields: Any) -> None:
    """As one edition has them, with a low minimum; the processor refunds for 180 days."""
    policy = load_edition("token-harbor").withdrawals
    till.policy = msgspec.structs.replace(
        till.policy, withdrawals=msgspec.structs.replace(policy, **{"min_usd": "1", **fields})
    )
    till.processor.can_refund = timedelta(days=REFUNDABLE_DAYS)


async def paid(till: Till, usd: str = "10", key: str = "one", **more: Any) -> TopUp:
    opened = await till.open(usd, key, **more)
    till.processor.pay(opened.shown_id)
    return await fulfil(till.funding, opened.id)


async def later(till: Till, **span: int) -> None:
    """Advance the clock and create the database's partitions for that day."""
    till.clock.advance(timedelta(**span))
    async with till.pool.acquire() as conn:
        await ensure_partitions(conn, till.clock.now())


async def matured(till: Till, usd: str, origin: str = "cashback", days: int = 0) -> UUID:
    """A reward's lot that is withdrawable in so many days."""
    ids, now = till.world.ids, till.clock.now()
    credit = Credit(
        ids.new(), ids.new(), till.account_id, Pool.PAID, origin, Usd.parse(usd), now, "a test",
        withdrawable_from=now + timedelta(days=days),
    )  # fmt: skip
    async with till.pool.acquire() as conn:
        await Wallets(conn).credit(credit)
    return credit.lot_id


async def payee(till: Till, address: str = "ada@pay.test", **more: Any) -> SavedPayee:
    """Verified."""
    fields = {"account_id": till.account_id, "processor": "stripe", "kind": "email", "actor": "customer", **more}
    added = await add_payee(till.funding, NewPayee(address=address, **fields))
    return await verify_payee(till.funding, added.id, "ops")


def request(till: Till, key: str = "w", usd: str | None = None, **more: Any) -> WithdrawalRequest:
    amount = None if usd is None else Usd.parse(usd)
    fields = {"account_id": till.account_id, "actor": "customer", **more}
    return WithdrawalRequest(idempotency_key=key, amount=amount, **fields)


async def ask(till: Till, key: str = "w", usd: str | None = None, **more: Any) -> Withdrawal:
    return await ask_withdrawal(till.funding, request(till, key, usd, **more))


async def ask_and_approve(till: Till, key: str = "w", usd: str | None = None, **more: Any) -> Withdrawal:
    asked = await ask(till, key, usd, **more)
    return await approve_withdrawal(till.funding, asked.id, "ops")


async def spend(till: Till, usd: str, lot_id: UUID | None = None) -> None:
    """The account's credit is less: as by requests, for what a withdrawal sees of it; what is short is debt."""
    lot_id = lot_id or await till.pool.fetchval("select lot_id from capture order by paid_at limit 1")
    async with till.pool.acquire() as conn:
        amount, entry_id = Usd.parse(usd), till.world.ids.new()
        await Wallets(conn).claw(
            Clawback(entry_id, till.account_id, lot_id, amount, till.clock.now(), "revenue/usage", "spent")
        )


async def dispute(till: Till, top_up: TopUp, minor: int, withdrawn: int = 0, state: str = "opened") -> None:
    """Let the payer dispute a part of a payment."""
    reported = ProcessorDispute(
        dispute_id=f"dp_{top_up.capture_id}",
        capture_id=top_up.capture_id or "",
        state=DisputeState(state),
        money=Money(top_up.money.currency, minor),
        withdrawn=Money(top_up.money.currency, withdrawn),
    )
    till.processor.disputes[reported.dispute_id] = reported
    await apply_dispute(till.funding, till.processor.name, reported)


async def tell(till: Till, reported: ProcessorPayout, number: int = 1) -> None:
    """Deliver a webhook about a payout and handle its event."""
    event = ProcessorEvent(
        event_id=f"evt_{reported.processor_payout_id}_{number}",
        kind="payout.updated",
        subject=EventSubject.PAYOUT,
        object_id=reported.processor_payout_id,
        at=till.clock.now(),
    )
    await receive_webhook(
        till.funding, till.processor.name, {"signature": "webhook-secret"}, msgspec.json.encode(event)
    )
    await handle_events(till.funding)


async def restart(till: Till) -> None:
    """Run what a server does by itself for the next ten minutes."""
    for _ in range(8):
        till.clock.advance(timedelta(seconds=75))
        await handle_events(till.funding)
        await sweep_refunds(till.funding)
        await sweep_withdrawals(till.funding)


async def sums(till: Till) -> tuple[Usd, Usd, Usd]:
    """What is available, owed, and on its way out; the books are right."""
    balance = await till.balance()
    [(in_payout,)] = await till.fetch("select coalesce(sum(amount), 0)::bigint from restricted_credit")
    async with till.pool.acquire() as conn:
        report = await verify(conn)
        assert report.fault is None
        assert await find_capture_fault(conn) is None
    return balance.available, balance.debt, Usd(in_payout)


async def state_of(till: Till) -> list[str]:
    return [state for (state,) in await till.fetch("select state from withdrawal order by id")]
