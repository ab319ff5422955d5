"""Rate limits over several gateways: never exceeded, not even by one, and no request is refused below them."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import UNLIMITED, Payer, RateLimits
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, RateUse, RefusedHold, WindowUse

GATEWAYS = 3
CALLERS = 300
LIMIT = 40
TOKENS = 100


def limited(scene: Any, *, key: RateLimits = UNLIMITED, account: RateLimits = UNLIMITED) -> Payer:
    return Payer(scene.account, scene.key, key, account)


def hold(scene: Any, payer: Payer, amount: int = 1, tokens: int = TOKENS, free_limit: int = 0) -> Hold:
    return Hold(scene.world.ids.new(), payer, Usd(amount), scene.clock.now(), tokens, free_limit)


async def pass_minutes(scene: Any, step: timedelta) -> None:
    """Make windows older, as PostgreSQL's clock cannot be moved."""
    for sql in (
        "update wallet set window_start = window_start - $2::interval, free_start = free_start - $2::interval",
        "update key_meter set window_start = window_start - $2::interval",
        "update hold set placed_at = placed_at - $2::interval",
    ):
        await scene.conn.execute(f"{sql} where account_id = $1", scene.account, step)


async def enter(scene: Any) -> UUID:
    """Another gateway, which is known to the books."""
    gateway: UUID = scene.world.ids.new()
    sql = "insert into gateway (id, home, epoch, started_at) values ($1, $2, 1, $3)"
    await scene.conn.execute(sql, gateway, f"/home/{gateway}", scene.clock.now())
    return gateway


async def hammer(scene: Any, payer: Payer, *, callers: int, tokens: int = TOKENS) -> list[tuple[Hold, Any]]:
    """All at once, over three gateways."""
    async with AsyncExitStack() as stack:
        books: list[PostgresBook] = [
            scene.book,
            *[await stack.enter_async_context(open_book(scene.url, await enter(scene))) for _ in range(GATEWAYS - 1)],
        ]
        batchers: list[Batcher[Hold, PlacedHold | RefusedHold]] = [Batcher(book.place, batch=7) for book in books]
        holds = [hold(scene, payer, tokens=tokens) for _ in range(callers)]
        asked = [batchers[i % GATEWAYS].submit(each) for i, each in enumerate(holds)]
        return list(zip(holds, await asyncio.gather(*asked), strict=True))


LIMITS = [
    ({"key": RateLimits(rpm=LIMIT)}, HoldRefusal.KEY_RPM),
    ({"account": RateLimits(rpm=LIMIT)}, HoldRefusal.ACCOUNT_RPM),
    ({"key": RateLimits(tpm=LIMIT * TOKENS + TOKENS - 1)}, HoldRefusal.KEY_TPM),
    ({"account": RateLimits(tpm=LIMIT * TOKENS)}, HoldRefusal.ACCOUNT_TPM),
    ({"key": RateLimits(concurrency=LIMIT)}, HoldRefusal.KEY_CONCURRENCY),
    ({"account": RateLimits(concurrency=LIMIT)}, HoldRefusal.ACCOUNT_CONCURRENCY),
]


@pytest.mark.parametrize(("limits", "why"), LIMITS, ids=[why for _, why in LIMITS])
async def test_no_limit_is_exceeded_by_one_nor_refuses_one_too_many(scene: Any, limits: Any, why: HoldRefusal) -> None:
    await scene.credit(10_000)
    answers = await hammer(scene, limited(scene, **limits), callers=CALLERS)
    placed = [each for each, answer in answers if isinstance(answer, PlacedHold)]
    refused = Counter(answer.reason for _, answer in answers if isinstance(answer, RefusedHold))
    assert len(placed) == LIMIT
    assert refused == {why: CALLERS - LIMIT}
    assert await scene.held() == LIMIT
    assert await scene.fault() is None


@pytest.mark.parametrize(("limits", "why"), LIMITS, ids=[why for _, why in LIMITS])
async def test_as_many_as_the_limit_are_all_admitted(scene: Any, limits: Any, why: HoldRefusal) -> None:
    await scene.credit(10_000)
    answers = await hammer(scene, limited(scene, **limits), callers=LIMIT)
    assert [type(answer) for _, answer in answers] == [PlacedHold] * LIMIT, why


async def test_places_are_given_back_at_the_end_and_once(scene: Any) -> None:
    await scene.credit(100)
    payer = limited(scene, key=RateLimits(concurrency=1))

    async def refused() -> HoldRefusal:
        answer = (await scene.place(hold(scene, payer)))[0]
        assert isinstance(answer, RefusedHold)
        return answer.reason

    for end in ("settle", "release", "drop", "lapse"):
        each = hold(scene, payer)
        assert isinstance((await scene.place(each))[0], PlacedHold), end
        assert await refused() is HoldRefusal.KEY_CONCURRENCY
        if end == "settle":
            await scene.settle(scene.settlement(each, 1))
            await scene.settle(scene.settlement(each, 1))
        elif end == "release":
            await scene.release(each)
        elif end == "drop":
            await scene.book.drop([each.request_id], scene.clock.now())
        else:
            gateway = await scene.conn.fetchval("select gateway_id from hold where request_id = $1", each.request_id)
            assert await scene.conn.fetchval("select free_lapsed($1)", gateway) == 1
            assert await scene.conn.fetchval("select free_lapsed($1)", gateway) == 0
            assert await scene.held() == 1, "the money stays held"
            await scene.settle(scene.settlement(each, 1))


async def test_a_window_lasts_a_minute_from_the_first_request(scene: Any) -> None:
    await scene.credit(100)
    payer = limited(scene, key=RateLimits(rpm=2))
    first = (await scene.place(hold(scene, payer)))[0]
    assert 59_000 < first.rates.key.ends_in_ms <= 60_000
    await pass_minutes(scene, timedelta(seconds=50))
    second = (await scene.place(hold(scene, payer)))[0]
    assert second.rates.key.requests == 2
    third = (await scene.place(hold(scene, payer)))[0]
    assert third.reason is HoldRefusal.KEY_RPM
    assert 5_000 < third.retry_ms <= 10_000
    await pass_minutes(scene, timedelta(seconds=11))
    fourth = (await scene.place(hold(scene, payer)))[0]
    assert fourth.rates.key.requests == 1, "refused requests count nowhere"


async def test_clocks_of_gateways_that_differ_or_step_decide_no_window(scene: Any) -> None:
    await scene.credit(100)
    payer = limited(scene, key=RateLimits(rpm=2), account=RateLimits(tpm=2 * TOKENS))
    admitted = []
    for hours in (0, 30, -30, 9000, -9000, 1):
        each = msgspec.structs.replace(hold(scene, payer), at=scene.clock.now() + timedelta(hours=hours))
        admitted.append(isinstance((await scene.place(each))[0], PlacedHold))
    assert admitted == [True, True, False, False, False, False]
    await pass_minutes(scene, timedelta(seconds=61))
    assert isinstance((await scene.place(hold(scene, payer)))[0], PlacedHold)


async def test_unused_tokens_come_back_to_the_window_that_counts_them(scene: Any) -> None:
    await scene.credit(100)
    payer = limited(scene, account=RateLimits(tpm=1000))
    one, two = hold(scene, payer, tokens=600), hold(scene, payer, tokens=400)
    placed = await scene.place(one, two)
    assert placed[0].rates.account.tokens == 1000
    used = msgspec.structs.replace(scene.settlement(one, 1), tokens=150)
    await scene.settle(used)
    probe = (await scene.place(hold(scene, payer, tokens=451)))[0]
    assert (probe.reason, probe.tokens_left) == (HoldRefusal.ACCOUNT_TPM, 450)
    assert probe.retry_ms > 0
    assert (await scene.place(hold(scene, payer, tokens=1001)))[0].retry_ms == 0, "no window is as large"
    await pass_minutes(scene, timedelta(seconds=61))
    after = hold(scene, payer, tokens=100)
    await scene.place(after)
    await scene.release(two)
    again = (await scene.place(hold(scene, payer, tokens=100)))[0]
    assert again.rates.account.tokens == 200, "what an earlier window reserved is not taken from this one"


async def test_rates_are_asked_before_money(scene: Any) -> None:
    payer = limited(scene, key=RateLimits(rpm=1))
    assert (await scene.place(hold(scene, payer, amount=5)))[0].reason is HoldRefusal.BALANCE
    await scene.credit(10)
    assert isinstance((await scene.place(hold(scene, payer, amount=5)))[0], PlacedHold)
    assert (await scene.place(hold(scene, payer, amount=50)))[0].reason is HoldRefusal.KEY_RPM


async def test_free_requests_have_a_window_of_five_hours(scene: Any) -> None:
    payer = limited(scene)
    answers = await scene.place(*[hold(scene, payer, amount=0, free_limit=2) for _ in range(3)])
    assert [type(answer) for answer in answers] == [PlacedHold, PlacedHold, RefusedHold]
    assert answers[2].reason is HoldRefusal.FREE
    assert 4.9 * 3_600_000 < answers[2].retry_ms <= 5 * 3_600_000
    assert isinstance((await scene.place(hold(scene, payer, amount=0)))[0], PlacedHold), "not a free model"
    await pass_minutes(scene, timedelta(hours=5))
    assert isinstance((await scene.place(hold(scene, payer, amount=0, free_limit=2)))[0], PlacedHold)


async def test_an_answer_says_what_key_and_account_count_at_the_end_of_the_batch(scene: Any) -> None:
    await scene.credit(100)
    payer = limited(scene, key=RateLimits(rpm=10))
    answers = await scene.place(hold(scene, payer), hold(scene, payer), hold(scene, limited(scene)))
    uses = [answer.rates and [_timeless(answer.rates.key), _timeless(answer.rates.account)] for answer in answers]
    assert uses == [[WindowUse(3, 300, 3, 0)] * 2, [WindowUse(3, 300, 3, 0)] * 2, None]
    assert isinstance(answers[0].rates, RateUse)


def _timeless(use: WindowUse) -> WindowUse:
    return msgspec.structs.replace(use, ends_in_ms=0)
