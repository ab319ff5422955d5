"""Exchange rates: within the edition's bounds, and large changes by two people."""

from datetime import timedelta

import msgspec
import pytest
from tests.funding.conftest import Till

from tokenharbor.funding import store
from tokenharbor.funding.rates import confirm_exchange_rate, set_exchange_rate
from tokenharbor.funding.types import ExchangeRate
from tokenharbor.kernel.errors import Conflict, Rejected


async def put(till: Till, rate: str, actor: str = "ann", lasts: timedelta | None = None) -> ExchangeRate:
    till.clock.advance(timedelta(seconds=1))
    return await set_exchange_rate(till.funding, "CNY", rate, lasts=lasts, actor=actor)


async def in_force(till: Till) -> str | None:
    async with till.pool.acquire() as conn:
        rate = await store.read_rate(conn, "CNY", till.clock.now())
    return None if rate is None else rate.per_usd


@pytest.mark.parametrize("rate", ["0.000001", "4.999999", "10.000001", "71", "999999"])
async def test_a_rate_beyond_the_editions_bounds_is_refused(till: Till, rate: str) -> None:
    with pytest.raises(Rejected) as rejected:
        await put(till, rate)
    assert rejected.value.param == "rate"
    assert await in_force(till) is None


async def test_a_rate_far_from_the_last_one_counts_when_a_second_person_confirms_it(till: Till) -> None:
    assert not (await put(till, "7")).waits
    assert not (await put(till, "7.7")).waits, "a tenth"
    assert (await put(till, "5.5", "Ann")).waits
    assert await in_force(till) == "7.7"
    for name in ("", "  ", "ann", " A n n"):
        with pytest.raises((Conflict, Rejected)):
            await confirm_exchange_rate(till.funding, "CNY", name)
    confirmed = await confirm_exchange_rate(till.funding, "CNY", "kim")
    assert (confirmed.per_usd, confirmed.confirmed_by, confirmed.waits) == ("5.5", "kim", False)
    assert await in_force(till) == "5.5"
    assert not (await put(till, "5.6")).waits, "near the one that was confirmed"
    with pytest.raises(Conflict):
        await confirm_exchange_rate(till.funding, "CNY", "kim")


async def test_many_small_steps_of_a_day_are_a_leap(till: Till) -> None:
    await put(till, "7")
    till.clock.advance(timedelta(days=2))
    assert not (await put(till, "6.6")).waits
    assert (await put(till, "6.2")).waits
    till.clock.advance(timedelta(days=1))
    assert not (await put(till, "6.2")).waits, "a day later it is one step"


async def test_a_rate_that_waits_is_gone_when_another_is_set_or_when_it_has_ended(till: Till) -> None:
    await put(till, "7")
    await put(till, "9", lasts=timedelta(hours=1))
    till.clock.advance(timedelta(hours=1))
    with pytest.raises(Conflict):
        await confirm_exchange_rate(till.funding, "CNY", "kim")
    await put(till, "9")
    await put(till, "7.1")
    with pytest.raises(Conflict):
        await confirm_exchange_rate(till.funding, "CNY", "kim")
    assert await in_force(till) == "7.1"


async def test_what_the_edition_no_longer_believes_sells_nothing(till: Till) -> None:
    await put(till, "7")
    await till.open(currency="CNY", key="a")
    topups = msgspec.structs.replace(till.policy.topups, cny_rate_least="7.1")
    till.policy = msgspec.structs.replace(till.policy, topups=topups)
    with pytest.raises(Rejected):
        await till.open(currency="CNY", key="b")
