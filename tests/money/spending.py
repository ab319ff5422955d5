"""Rules of the money machine: requests, gifts, prices, and time."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.money.model import SentRequest
from tests.money.run import DEATHS, WHICH, WHO, Customer, Death, MoneyRun, chosen
from tests.money.stage import PRICES, START, TokenPrice

from tokenharbor.funding.context import Funding
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_CENT, ZERO, Usd
from tokenharbor.ledger.book import Answer, wait_for_answers
from tokenharbor.ledger.types import (
    Credit,
    Hold,
    HoldRefusal,
    PlacedHold,
    Pool,
    Product,
    RefusedHold,
    Release,
    SettledCharge,
    Settlement,
)
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.codes import CodeTerms, create_code, redeem
from tokenharbor.rewards.grants import claim_welcome

TOKENS = st.sampled_from([1, 412, 1_250, 2_500, 9_999])
PARTS = st.sampled_from([0, 1, 3, 4, 4])
"""Quarters of a bound that are used, from none to all."""
REQUESTS = st.lists(st.tuples(TOKENS, PARTS), max_size=4)
JUMPS = st.sampled_from(
    [timedelta(minutes=7), timedelta(hours=11), timedelta(days=2), timedelta(days=12), timedelta(days=50)]
)
LATEST = START + timedelta(days=150)
LONGEST = timedelta(days=2)
CLAIMS = 20

_DETAIL = '{"asked":"m","model":"m","status":"%s","served":{"provider":"p"},"key_id":"%s","edition":"token-harbor"}'
_SALT = b"sixteen of salt."


class SpendingRules(MoneyRun):
    """Requests, gifts, prices, and time."""

    # ---- requests

    @rule(who=WHO, sent=REQUESTS, again=st.booleans())
    def spend(self, who: int, sent: Sequence[tuple[int, int]], again: bool) -> None:
        """Requests from their holds to their charges; each may be settled twice."""
        self.send(self.customer(who), sent, again=again)

    @rule(who=WHO, tokens=TOKENS)
    def hold(self, who: int, tokens: int) -> None:
        """A request that stays open."""
        self._hold(self.customer(who), tokens)

    @rule(which=WHICH, used=PARTS)
    def settle(self, which: int, used: int) -> None:
        """Settle a request at the price of its quote."""
        for request in chosen(self.open_requests, which):
            self._settle(request, used)

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        """Release a request that failed, or whose gateway died."""
        for request in chosen(self.open_requests, which):
            self.give_up(request)

    @rule(which=WHICH)
    def change_price(self, which: int) -> None:
        [self.price] = chosen(PRICES, which)

    # ---- what is given

    @rule(who=WHO, death=DEATHS)
    def claim_welcome(self, who: int, death: Death) -> None:
        account_id = self.customer(who).account_id

        async def claim(funding: Funding) -> None:
            async with funding.acquire() as conn:
                await claim_welcome(conn, funding.world, funding.policy(), account_id)
            self.count("welcome")

        self.do(claim, death)

    @rule(uses=st.integers(1, 2))
    def claim_a_code_by_twenty_at_once(self, uses: int) -> None:
        if not self.outside.code_uses:  # once in a run: it is dear
            self.wait(self._claim_by_twenty(uses))

    @rule(
        who=WHO,
        cents=st.sampled_from([1, 250, 1000]),
        pool=st.sampled_from([Pool.PROMO, Pool.PAID]),
        again=st.booleans(),
    )
    def credit_by_operator(self, who: int, cents: int, pool: Pool, again: bool) -> None:
        """Once, however often it is sent."""
        account_id, ids = self.customer(who).account_id, self.world.ids
        expires_at = self.clock.now() + timedelta(days=1) if pool is Pool.PROMO else None
        credit = Credit(
            entry_id=ids.new(),
            lot_id=ids.new(),
            account_id=account_id,
            pool=pool,
            origin="operator",
            amount=Usd(cents * NANO_PER_CENT),
            at=self.clock.now(),
            reason="goodwill",
            expires_at=expires_at,
            reference=f"goodwill/{ids.new()}",
        )

        async def give(funding: Funding) -> None:
            async with funding.acquire() as conn:
                await Wallets(conn).credit(credit)

        self.do(give)
        self.outside.gifts[account_id] += credit.amount
        if again:
            self.do(give)

    @rule(death=DEATHS)
    def run_what_is_due(self, death: Death) -> None:
        self.do(self.run_due, death)

    @rule(by=JUMPS)
    def let_time_pass(self, by: timedelta) -> None:
        """No request lasts for days, and no run for years."""
        if self.clock.now() > LATEST:
            return
        for request in self.open_requests:
            if self.clock.now() + by > request.at + LONGEST:
                self.give_up(request)
        self.wait(self.pass_time(by))

    # ---- how

    @property
    def open_requests(self) -> list[SentRequest]:
        return [each for each in self.outside.requests if each.open]

    def send(self, customer: Customer, sent: Sequence[tuple[int, int]], *, again: bool = False) -> None:
        for tokens, used in sent:
            request = self._hold(customer, tokens)
            if request is not None:
                self._settle(request, used)
                if again:
                    self._settle(request, 4)

    def give_up(self, request: SentRequest) -> None:
        detail = (_DETAIL % ("failed", request.payer.key_id)).encode()
        end = Release(
            request.id, request.payer, _product(request.price), "failed", detail, _SALT, self.clock.now(), ZERO
        )
        self.wait(self._answer(self.stage.book.release([end])))
        request.open = False
        self.count("released")

    def _hold(self, customer: Customer, tokens: int) -> SentRequest | None:
        """Place a hold as a gateway does: before it refuses for lack of balance, due rewards are granted."""
        request = SentRequest(
            self.world.ids.new(), customer.payer, self.price, Usd(tokens * self.price.nano), self.clock.now()
        )
        answer = self.wait(self._place(request))
        if isinstance(answer, RefusedHold) and answer.reason is HoldRefusal.BALANCE:
            self.do(lambda funding: self.run_due(funding, customer))
            answer = self.wait(self._place(request))
        if isinstance(answer, RefusedHold):
            self.count(f"hold refused {answer.reason}")
            return None
        assert isinstance(answer, PlacedHold)
        assert answer.amount == request.bound
        self.outside.requests.append(request)
        return request

    async def _place(self, request: SentRequest) -> object:
        hold = Hold(request.id, request.payer, request.bound, self.clock.now())
        return await self._answer(self.stage.book.place([hold]))

    def _settle(self, request: SentRequest, used: int) -> None:
        cost, detail = Usd(-(-request.bound * used // 4)), (_DETAIL % ("complete", request.payer.key_id)).encode()
        end = Settlement(
            request.id, request.payer, _product(request.price), "complete", detail, _SALT, self.clock.now(), cost,
            ZERO, ZERO, request.bound,
        )  # fmt: skip
        answer = self.wait(self._answer(self.stage.book.settle([end])))
        assert isinstance(answer, SettledCharge)
        if request.open:
            assert (answer.charge, answer.repeated) == (cost, False)
            request.charge, request.open = answer.charge, False
            self.count("charged")
        else:
            assert (answer.charge, answer.repeated) == (request.charge, True)

    async def _answer(self, coming: Awaitable[Sequence[Answer[Any]]]) -> Any:
        [answer] = await wait_for_answers(await coming)
        return answer

    async def _claim_by_twenty(self, uses: int) -> None:
        terms = CodeTerms(amount=Usd.parse("3"), uses=uses, note="")
        async with self.funding.acquire() as conn:
            made = await create_code(conn, self.world, terms, actor="operator")
        self.outside.code_uses[made.code.id] = uses

        async def claim(account_id: UUID) -> bool:
            async with self.funding.acquire() as conn:
                try:
                    await redeem(conn, self.world, self.stage.policy, account_id, made.text)
                except Conflict:
                    return False
            return True

        won = await asyncio.gather(*(claim(self.customer(number).account_id) for number in range(CLAIMS)))
        assert sum(won) <= uses
        self.count(f"code won by {sum(won)}")


def _product(price: TokenPrice) -> Product:
    return Product("m", "p", "token-harbor", "", price.version)
