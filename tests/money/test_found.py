"""Faults that the money machine has found, as plain sequences of steps; each ends as every run does."""

from tests.money.stage import Stage
from tests.money.test_money_machine import MoneyMachine, machine_on

from tokenharbor.payments.types import RefundState

ALL_JOBS = 10_000


def begin(stage: Stage) -> MoneyMachine:
    machine = machine_on(stage)()
    machine.open()
    return machine


def test_a_dispute_takes_the_match_of_a_payment_that_was_refunded_before(stage: Stage) -> None:
    machine = begin(stage)
    machine.spend(0, [(9_999, 4)], again=False)
    machine.run_what_is_due(None)
    machine.refund_in_the_dashboard(0, 3, RefundState.DONE, ALL_JOBS)
    assert machine.credit_of(0, "match") == 9_999_000_000, "it is unlocked, and stays after a refund"
    machine.dispute(0, 3, taken=True, refunded=None, heard=ALL_JOBS)
    assert machine.credit_of(0, "match") == 0
    machine.teardown()
