"""Rules of the money machine: credit that is withdrawn, to its payment method or to a payee."""

from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.money.paying import PayingRules
from tests.money.returning import HEARD, ReturningRules
from tests.money.run import DEATHS, REFUNDABLE, WHICH, WHO, Death, chosen

from tokenharbor.funding.context import Funding
from tokenharbor.funding.payees import NewPayee, add_payee, verify_payee
from tokenharbor.funding.withdrawal_types import Withdrawal
from tokenharbor.funding.withdrawals import (
    WithdrawalRequest,
    approve_withdrawal,
    ask_withdrawal,
    cancel_withdrawal,
    preview_withdrawal,
    reject_withdrawal,
)
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import PayoutState, RefundState

WithdrawalDecision = Callable[[Funding, UUID, str], Coroutine[Any, Any, Withdrawal]]

AMOUNTS = st.sampled_from([None, None, "1.005", "4"])
STATES = st.sampled_from([*PayoutState])
DECISIONS = st.sampled_from([approve_withdrawal, approve_withdrawal, reject_withdrawal, cancel_withdrawal])


class WithdrawingRules(PayingRules, ReturningRules):
    """Customers withdraw; another user approves."""

    @rule(who=WHO, usd=AMOUNTS, which=WHICH, approved=st.booleans(), death=DEATHS)
    def withdraw_to_what_paid(self, who: int, usd: str | None, which: int, approved: bool, death: Death) -> None:
        statements = [*self.processor.statements().values()]
        for statement in chosen(statements, which):
            top_up_id = ids.parse("topup", statement.top_up_id)
            self._withdraw(self._request(who, usd, top_up_id=top_up_id), approved, death)

    @rule(who=WHO, usd=AMOUNTS, approved=st.booleans(), later=st.booleans(), death=DEATHS)
    def withdraw_to_a_payee(self, who: int, usd: str | None, approved: bool, later: bool, death: Death) -> None:
        """Perhaps after the processor could have refunded."""
        if later:
            self.let_time_pass(REFUNDABLE)
        self._withdraw(self._request(who, usd, payee_id=self._payee(who)), approved, death)

    @rule(which=WHICH, decide=DECISIONS, state=STATES, death=DEATHS)
    def decide_a_withdrawal(self, which: int, decide: WithdrawalDecision, state: PayoutState, death: Death) -> None:
        for withdrawal_id in chosen(self.withdrawals, which):
            self.decide_on(withdrawal_id, decide, state, death)

    @rule(which=WHICH, state=st.sampled_from([PayoutState.DONE, PayoutState.FAILED]), heard=HEARD)
    def a_payout_moves(self, which: int, state: PayoutState, heard: int | None) -> None:
        """A payout succeeds or fails, also after it had succeeded; a failed one has ended."""
        going = [each for each in self.processor.payouts.values() if each.state is not PayoutState.FAILED]
        for payout in chosen(going, which):
            self.processor.change_payout(payout.processor_payout_id, state)
            self.tell(heard)

    def decide_on(self, withdrawal_id: UUID, decide: WithdrawalDecision, state: PayoutState, death: Death) -> None:
        self.processor.payout_state = state
        self.processor.refund_state = RefundState(state.value)
        if self.do(lambda funding: decide(funding, withdrawal_id, "operator"), death) is not None:
            self.count(decide.__name__)

    def _request(
        self, who: int, usd: str | None, top_up_id: UUID | None = None, payee_id: UUID | None = None
    ) -> WithdrawalRequest:
        return WithdrawalRequest(
            account_id=self.customer(who).account_id,
            idempotency_key=f"withdrawal-{len(self.keys)}",
            actor="customer",
            amount=None if usd is None else Usd.parse(usd),
            top_up_id=top_up_id,
            payee_id=payee_id,
        )

    def _withdraw(self, request: WithdrawalRequest, approved: bool, death: Death) -> None:
        """Withdraw what the preview showed; after a death, request the same again."""
        self.keys.append(request.idempotency_key)
        shown = self.do(lambda funding: preview_withdrawal(funding, request))
        made = self.do(lambda funding: ask_withdrawal(funding, request), death)
        if made is None and shown is not None:
            made = self.do(lambda funding: ask_withdrawal(funding, request))
        assert (made is None) == (shown is None)
        if made is not None and shown is not None:
            assert (made.amount, made.money) == (shown.withdrawal.amount, shown.withdrawal.money)
            self.withdrawals.append(made.id)
            self.count(f"withdrawal {made.state}")
            if approved:
                self.decide_on(made.id, approve_withdrawal, PayoutState.DONE, death)

    def _payee(self, who: int) -> UUID:
        """Verified."""
        customer = self.customer(who)
        if customer.account_id not in self.payees:
            address = f"{customer.account_id}@example.com"
            wanted = NewPayee(
                account_id=customer.account_id, processor="stripe", kind="email", address=address, actor="customer"
            )
            payee = self.wait(add_payee(self.funding, wanted))
            self.wait(verify_payee(self.funding, payee.id, "operator"))
            self.payees[customer.account_id] = payee.id
        return self.payees[customer.account_id]
