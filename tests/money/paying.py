"""Rules of the money machine: top-ups, from the intent to the credit, and the events of processors."""

import asyncio
from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.funding.fake_processor import SECRET
from tests.money.run import DEATHS, WHICH, WHO, Death, chosen
from tests.money.spending import REQUESTS, SpendingRules

from tokenharbor.funding.auto import AutoTopUpSettings, set_auto_top_up
from tokenharbor.funding.context import Funding
from tokenharbor.funding.events import handle_events, receive_webhook
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.topups import TopUpRequest, open_top_up
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import ForgedEvent
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import PaymentState

PACKS = st.sampled_from(["10", "2.5", "50"])
CARDS = st.sampled_from(["visa", "visa", "amex", "jcb", ""])
OLDEST_OUTAGE_DAYS = 6


class PayingRules(SpendingRules):
    """Customers pay; processors send events in any order."""

    @rule(who=WHO, usd=PACKS, card=CARDS, death=DEATHS, sent=REQUESTS)
    def top_up(self, who: int, usd: str, card: str, death: Death, sent: Sequence[tuple[int, int]]) -> None:
        """Top up, from the click to the browser's return, then spend some of it."""
        top_up_id = self._open(who, usd, death)
        if top_up_id is not None:
            self.processor.pay_with(top_up_id, card)
            self._return(top_up_id, death)
            self.send(self.customer(who), sent)

    @rule(who=WHO, usd=PACKS, death=DEATHS)
    def open_a_checkout(self, who: int, usd: str, death: Death) -> None:
        """A retry of one that died is the same top-up."""
        if self._open(who, usd, death) is None and self.keys:
            self._open(who, usd, None, self.keys[-1])

    @rule(which=WHICH, card=CARDS, pending=st.booleans())
    def pay(self, which: int, card: str, pending: bool) -> None:
        """Pay at the processor; no event has arrived here yet."""
        for top_up_id in chosen(self.unpaid, which):
            if pending:
                self.processor.change(top_up_id, state=PaymentState.PENDING)
            else:
                self.processor.pay_with(top_up_id, card)

    @rule(which=WHICH, death=DEATHS)
    def come_back(self, which: int, death: Death) -> None:
        """The browser returns, paid or not, early or late, again and again."""
        for payment in chosen([*self.processor.payments.values()], which):
            self._return(payment.top_up_id, death)

    @rule(who=WHO, cents=st.sampled_from([500, 2000]))
    def switch_auto_top_up_on(self, who: int, cents: int) -> None:
        """Refused without a saved method."""
        amount = Usd(cents * 10_000_000)
        wish = AutoTopUpSettings(threshold=Usd.parse("4"), amount=amount, month_most=Usd.parse("40"), actor="customer")
        self.do(lambda funding: set_auto_top_up(funding, self.customer(who).account_id, wish))

    # ---- what is told

    @rule(which=WHICH, times=st.integers(1, 3), late=st.booleans(), death=DEATHS)
    def deliver_a_webhook(self, which: int, times: int, late: bool, death: Death) -> None:
        """The latest or an old one, several times at once."""
        events = self.processor.events
        [event] = chosen(events, which) if late else events[-1:]
        body = msgspec.json.encode(event)

        async def deliver(funding: Funding) -> None:
            headers = {"signature": SECRET}
            received = (receive_webhook(funding, "stripe", headers, body) for _ in range(times))
            news = await asyncio.gather(*received)
            assert sum(news) <= 1
            await asyncio.gather(*(handle_events(funding) for _ in range(times)))

        self.do(deliver, death)

    @rule(which=WHICH)
    def forge_a_webhook(self, which: int) -> None:
        [event] = chosen(self.processor.events, which)
        body = msgspec.json.encode(event)

        async def deliver(funding: Funding) -> None:
            try:
                await receive_webhook(funding, "stripe", {"signature": ""}, body)
            except ForgedEvent:
                self.count("forged")
            else:
                raise AssertionError("a forged event was believed")

        self.do(deliver)

    @rule(death=DEATHS, away=st.booleans())
    def run_the_jobs(self, death: Death, away: bool) -> None:
        """Perhaps while the processor does not answer."""
        self.processor.is_away = away
        self.do(self.follow, death)
        self.processor.is_away = False

    # ---- how

    @property
    def unpaid(self) -> list[str]:
        return [
            each.top_up_id
            for each in self.processor.payments.values()
            if each.state in (PaymentState.OPEN, PaymentState.PENDING)
        ]

    def _open(self, who: int, usd: str, death: Death, key: str | None = None) -> str | None:
        request = TopUpRequest(
            account_id=self.customer(who).account_id,
            amount=Usd.parse(usd),
            currency="USD",
            idempotency_key=key or f"key-{len(self.keys)}",
            actor="customer",
            save_method=usd == "10",
        )
        if key is None:
            self.keys.append(request.idempotency_key)
        opened = self.do(lambda funding: open_top_up(funding, request), death)
        return None if opened is None else opened.shown_id

    def _return(self, top_up_id: str, death: Death) -> None:
        done = self.do(lambda funding: fulfil(funding, ids.parse("topup", top_up_id)), death)
        if done is not None:
            self.count(f"top-up {done.state}")
