"""Pretended credit is taken back: all that is unspent, once; spent credit does not become debt."""

from dataclasses import replace

from tests.funding.conftest import Till
from tests.funding.test_refunds import sums, use_up

from tokenharbor.funding.context import Funding
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.pretended import forget_pretended
from tokenharbor.funding.topups import open_top_up
from tokenharbor.kernel.money import Usd


async def pretending(till: Till) -> Funding:
    """A `Funding` that only pretends payments, and 10 USD of its credit."""
    funding = replace(till.funding, pretended=frozenset({till.processor.name}), may_pretend=lambda: True)
    opened = await open_top_up(funding, till.request())
    till.processor.pay(opened.shown_id)
    assert (await fulfil(funding, opened.id)).pretended
    return funding


async def test_what_was_spent_stays_spent_and_the_rest_is_taken_back_once(till: Till) -> None:
    funding = await pretending(till)
    await use_up(till, "3.456789")
    done = await forget_pretended(funding, "ops")
    assert [(each.amount, each.state, each.actor) for each in done.refunds] == [(Usd.parse("6.54"), "done", "ops")]
    assert await sums(till) == (Usd.parse("0.003211"), 0, Usd.parse("6.54"), 0), "less than a cent stays"
    again = await forget_pretended(funding, "ops")
    assert ([*again.refunds], [*again.kept]) == ([], [])


async def test_what_was_begun_is_finished_by_the_next_try(till: Till) -> None:
    funding = await pretending(till)
    till.processor.is_away = True
    [begun] = (await forget_pretended(funding, "ops")).refunds
    till.processor.is_away = False
    [done] = (await forget_pretended(funding, "ops")).refunds
    assert (begun.state, done.state, done.id) == ("asked", "done", begun.id)
    assert (await sums(till))[0] == 0


async def test_what_open_requests_hold_is_kept_and_told(till: Till) -> None:
    funding = await pretending(till)
    await till.pool.execute("update wallet set held = 10000000000")
    done = await forget_pretended(funding, "ops")
    assert (len(done.refunds), ["held" in each.reason for each in done.kept]) == (0, [True])
