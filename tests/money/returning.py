"""Rules of the money machine: refunds, requested here or made at the processor, and disputes."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.money.run import DEATHS, WHICH, Death, chosen
from tests.money.spending import REQUESTS, SpendingRules

from tokenharbor.funding.context import Funding
from tokenharbor.funding.refund_types import Refund, RefundOrigin
from tokenharbor.funding.refunds import RefundRequest, approve_refund, ask_refund, preview_refund, reject_refund
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import ProcessorRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import DisputeState, RefundState

Decision = Callable[[Funding, UUID, str], Coroutine[Any, Any, Refund]]

_MAY_BE_TOO_MUCH = "9.999999999"
AMOUNTS = st.sampled_from([None, None, None, "1.005", "3", _MAY_BE_TOO_MUCH])
ORIGINS = st.sampled_from([RefundOrigin.CUSTOMER, RefundOrigin.CUSTOMER, RefundOrigin.OPERATOR])
STATES = st.sampled_from([*RefundState])
SHARES = st.sampled_from([1, 2, 3])
"""Thirds of a payment."""
TOO_MUCH = st.sampled_from([None, 2, 3])
HEARD = st.one_of(st.none(), st.just(10_000), st.just(10_000), st.integers(0, 80))
MORTAL = st.tuples(DEATHS, HEARD)
MOVES = st.sampled_from([DisputeState.FUNDS_WITHDRAWN, DisputeState.WON, DisputeState.LOST])

_OVER = (DisputeState.WON, DisputeState.LOST)


class ReturningRules(SpendingRules):
    """Money goes back, in every way."""

    @rule(which=WHICH, sent=REQUESTS, usd=AMOUNTS, origin=ORIGINS, state=STATES, death=MORTAL)
    def refund(
        self,
        *,
        which: int,
        sent: Sequence[tuple[int, int]],
        usd: str | None,
        origin: RefundOrigin,
        state: RefundState,
        death: tuple[Death, int | None],
    ) -> None:
        """Rewards of the latest spending are granted before credit leaves. The result is what the preview showed; a
        repeat after a death gives the same, whichever event arrived meanwhile.
        """
        [capture_id] = chosen(self.processor.captures(), which)
        top_up_id = ids.parse("topup", self.processor.statements()[capture_id].top_up_id)
        self.send(self.wait(self.payer_of(top_up_id)), sent)
        whole = None if usd is None else self.do(lambda funding: preview_refund(funding, top_up_id, None, origin))
        amount = None if usd is None else Usd.parse(usd)
        if amount is not None and whole is not None and usd != _MAY_BE_TOO_MUCH:
            amount = min(amount, whole.most)
        request = RefundRequest(
            top_up_id=top_up_id, idempotency_key=f"refund-{len(self.refunds)}", origin=origin, actor="x", amount=amount
        )
        shown = self.do(lambda funding: preview_refund(funding, top_up_id, amount, origin))
        self.processor.refund_state = state
        refund = self.do(lambda funding: ask_refund(funding, request), death[0])
        if shown is not None and refund is None:
            self.tell(death[1])
            refund = self.do(lambda funding: ask_refund(funding, request))
        if shown is None:
            assert refund is None
        elif refund is not None:
            self.refunds.append(refund.id)
            assert (refund.money, refund.amount) == (shown.returned.money, shown.returned.amount)
            self.wait(self.inspect()).nothing_is_due(refund.account_id)
            self.count(f"refund {refund.state}")

    @rule(which=WHICH, approved=st.booleans(), state=STATES, death=DEATHS)
    def decide_a_refund(self, which: int, approved: bool, state: RefundState, death: Death) -> None:
        """An operator, where one waits."""
        for refund_id in chosen(self.refunds, which):
            self.decide(refund_id, approve_refund if approved else reject_refund, state, death)

    @rule(which=WHICH, share=SHARES, state=STATES, heard=HEARD)
    def refund_in_the_dashboard(self, which: int, share: int, state: RefundState, heard: int | None) -> None:
        [capture_id] = chosen(self.processor.captures(), which)
        minor = self.processor.statements()[capture_id].paid * share // 3
        try:
            self.processor.refund_there(capture_id, minor, state)
        except ProcessorRefused:
            self.count("more than was paid")
        else:
            self.count(f"dashboard {state}")
        self.tell(heard)

    @rule(which=WHICH, state=st.sampled_from([RefundState.DONE, RefundState.FAILED]), heard=HEARD)
    def a_refund_moves(self, which: int, state: RefundState, heard: int | None) -> None:
        """A refund succeeds or fails, also after it had succeeded; a failed one has ended."""
        going = [each for each in self.processor.refunds.values() if each.state is not RefundState.FAILED]
        for refund in chosen(going, which):
            self.processor.change_refund(refund.processor_refund_id, state)
            self.tell(heard)

    @rule(which=WHICH, share=SHARES, taken=st.booleans(), refunded=TOO_MUCH, heard=HEARD)
    def dispute(self, which: int, share: int, taken: bool, refunded: int | None, heard: int | None) -> None:
        """Open a dispute, perhaps with its funds already withdrawn, perhaps with a refund on top of it."""
        [capture_id] = chosen(self.processor.captures(), which)
        dispute_id = f"dp_{len(self.processor.disputes) + 1}"
        self.processor.dispute(dispute_id, capture_id, self.processor.statements()[capture_id].paid * share // 3)
        if taken:
            self.processor.move_dispute(dispute_id, DisputeState.FUNDS_WITHDRAWN)
        self.tell(heard)
        if refunded is not None:
            self.refund_in_the_dashboard(which, refunded, RefundState.DONE, heard)

    @rule(which=WHICH, state=MOVES, heard=HEARD)
    def a_dispute_moves(self, which: int, state: DisputeState, heard: int | None) -> None:
        """Until it is over."""
        going = [each for each in self.processor.disputes.values() if each.state not in _OVER]
        for told in chosen(going, which):
            self.processor.move_dispute(told.dispute_id, state)
            self.count(f"dispute {state}")
            self.tell(heard)

    def tell(self, heard: int | None) -> None:
        """Deliver webhooks and run the jobs, which die before call number `heard`; None: no event arrives yet."""
        if heard is not None:
            self.do(self.hear, heard)

    def decide(self, refund_id: UUID, decide: Decision, state: RefundState, death: Death) -> None:
        self.processor.refund_state = state
        if self.do(lambda funding: decide(funding, refund_id, "operator"), death) is not None:
            self.count(decide.__name__)
