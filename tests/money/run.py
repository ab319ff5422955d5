"""One run of the money machine: its customers, processor and clock, and how each operation runs or dies."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from tests.funding.crash import ANSWERED, Died, Steps, mortal
from tests.funding.fake_processor import SECRET
from tests.money.facts import read_facts
from tests.money.invariants import Inspection
from tests.money.model import OutsideView
from tests.money.processor import BusyProcessor
from tests.money.stage import PRICES, START, Stage

from tokenharbor.funding.auto import top_up_low_accounts
from tokenharbor.funding.context import Funding
from tokenharbor.funding.events import handle_events, receive_webhook, sweep_events
from tokenharbor.funding.store import get_top_up
from tokenharbor.funding.sweep import (
    sweep_disputes,
    sweep_refunds,
    sweep_top_ups,
    sweep_withdrawals,
)
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.errors import BooksRefused, Conflict, Missing, ProcessorError, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import make_world
from tokenharbor.rewards.hooks import RewardHooks
from tokenharbor.rewards.referrals import record_sign_up, referral_code

T = TypeVar("T")

WHO: Final = st.sampled_from([0, 0, 0, 1, 1, 2])
"""The customer."""

WHICH: Final = st.integers(0, 11)
"""The index of an existing thing, modulo their number."""

DEATHS: Final = st.one_of(
    st.none(), st.none(), st.none(), st.integers(0, 30), st.integers(31, 70), st.just(ANSWERED)
)  # fmt: skip
"""The process dies before this call, beginning or commit of an operation (a refund has about 65, opening a top-up 15),
or when the processor has answered and nobody here knows; None: it lives.
"""

Death = int | str | None

REFUNDABLE: Final = timedelta(days=30)
"""How long a payment can be refunded or disputed; after that its credit can be withdrawn to payees."""

_REFUSALS = (BooksRefused, Conflict, Missing, ProcessorError, Rejected)


@dataclass(frozen=True, slots=True)
class Customer:
    """An account with one key."""

    account_id: UUID
    key_id: UUID

    @property
    def payer(self) -> Payer:
        return Payer(self.account_id, self.key_id)


class MoneyRun(RuleBasedStateMachine):
    """The base of all rules, which are in its subclasses."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START)
        self.world = make_world(self.clock, SeededEntropy(7))
        self.processor = BusyProcessor(self.clock, can_refund=REFUNDABLE)
        self.outside = OutsideView()
        self.price = PRICES[0]
        policy = self.stage.policy
        self.funding = Funding(
            world=self.world,
            processors={self.processor.name: self.processor},
            pretended=frozenset(),
            may_pretend=lambda: False,
            policy=lambda: policy,
            acquire=self.stage.connections.acquire,
            public_url="https://harbor.test",
            report=lambda alarm, _what, _processor: self.count(alarm.value),
            hooks=RewardHooks(self.world, lambda: policy),
        )
        self.customers: Sequence[Customer] = ()
        self.keys: list[str] = []
        self.told, self.swept_at = 0, START
        self.refunds: list[UUID] = []
        self.withdrawals: list[UUID] = []
        self.payees: dict[UUID, UUID] = {}

    def wait(self, coming: Coroutine[Any, Any, T]) -> T:
        return self.stage.runner.get_loop().run_until_complete(coming)

    def do(self, act: Callable[[Funding], Coroutine[Any, Any, T]], death: Death = None) -> T | None:
        """Return the operation's result; None if it is refused or dies."""
        funding = self.funding if death is None else mortal(self.funding, Steps(death))
        try:
            return self.wait(_with_all_that_it_began(act(funding)))
        except Died:
            self.count("died")
        except _REFUSALS as error:
            self.count(f"refused {type(error).__name__}")
        return None

    def count(self, what: str) -> None:
        self.stage.seen[what] += 1

    def customer(self, which: int) -> Customer:
        return self.customers[which % len(self.customers)]

    async def begin(self) -> None:
        """Three customers; the second and the third signed up by the first one's code."""
        await self.stage.reach(self.clock.now())
        async with self.funding.acquire() as conn:
            customers = []
            for name in ("ada", "bob", "cyd"):
                account = await create_account(conn, self.world, f"{name}@example.com", "token-harbor")
                key_id = self.world.ids.new()
                await conn.execute("insert into key_meter (key_id, account_id) values ($1, $2)", key_id, account.id)
                customers.append(Customer(account.id, key_id))
            self.customers = customers
            code = await referral_code(conn, self.world, customers[0].account_id)
            for each in customers[1:]:
                await record_sign_up(conn, self.world, code, each.account_id)
            for price in PRICES:
                await conn.execute("insert into price values ($1, $2, $3)", price.version, price.body, START)
        await sweep_events(self.funding)

    async def hear(self, funding: Funding) -> None:
        """Deliver a webhook for every event not yet delivered, and run the jobs."""
        while self.told < len(self.processor.events):
            body = msgspec.json.encode(self.processor.events[self.told])
            await receive_webhook(funding, self.processor.name, {"signature": SECRET}, body)
            self.told += 1
        await self.follow(funding)

    async def follow(self, funding: Funding) -> None:
        """Run the jobs of a server once; events are listed once an hour."""
        now = self.clock.now()
        if now >= self.swept_at + timedelta(hours=1):
            await sweep_events(funding)
            self.swept_at = now
        work = (handle_events, sweep_top_ups, sweep_refunds, sweep_disputes, sweep_withdrawals)
        while any([await each(funding) for each in work]):
            pass
        await top_up_low_accounts(funding)

    async def run_due(self, funding: Funding, *customers: Customer) -> None:
        """Of these, or of all."""
        for each in customers or self.customers:
            async with funding.acquire() as conn:
                await funding.hooks.run_due(conn, each.account_id)

    async def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)
        await self.stage.reach(self.clock.now())

    def credit_of(self, who: int, pool: str) -> int:
        """The credit that a customer has not spent."""
        account_id, facts = self.customer(who).account_id, self.wait(self.inspect()).facts
        [wallet] = [each for each in facts.wallets if each.account_id == account_id]
        lots = {lot.id for lot in facts.lots if lot.pool == pool}
        line = [each for each in facts.segments if each.account_id == account_id and each.lot_id in lots]
        return sum(max(0, each.end_at - max(each.start_at, wallet.spent)) for each in line)

    async def payer_of(self, top_up_id: UUID) -> Customer:
        async with self.funding.acquire() as conn:
            account_id = (await get_top_up(conn, top_up_id)).account_id
        return next(each for each in self.customers if each.account_id == account_id)

    async def inspect(self) -> Inspection:
        async with self.funding.acquire() as conn:
            facts = await read_facts(conn)
        return Inspection(facts, self.outside, self.processor, self.stage.policy)


async def _with_all_that_it_began(coming: Coroutine[Any, Any, T]) -> T:
    """A dead process does nothing more: its other tasks run to their next step, and die there."""
    before = asyncio.all_tasks()
    try:
        return await coming
    finally:
        if left := asyncio.all_tasks() - before:
            await asyncio.wait(left)


def chosen(options: Sequence[T], which: int) -> Sequence[T]:
    """Return one of the options, if there is any. This is no precondition of the rule: the winner of a race may differ
    when a run is repeated, and the drawn values must not.
    """
    return [options[which % len(options)]] if options else []
