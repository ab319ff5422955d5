"""A settlement that is reported as done is in the database or in the journal."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tokenharbor.billing import settlements as module
from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.billing.settlements import Settlements
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.types import Product, SettledCharge, Settlement

CHARGED = SettledCharge(Usd(10), ZERO, ZERO)


def settlement(number: int, cost: int = 10) -> Settlement:
    payer, product, at = Payer(UUID(int=1), UUID(int=2)), Product("m", "p", "e"), datetime(2026, 11, 25, tzinfo=UTC)
    end = (UUID(int=number), payer, product, "complete", b"{}", b"salt", at)
    return Settlement(*end, Usd(cost), ZERO, ZERO, Usd(10))


class Database:
    """Answers as it is told to; keeps silent until then."""

    def __init__(self) -> None:
        self.answer: SettledCharge | Exception | None = None
        self.asked: list[UUID] = []
        self.speak = asyncio.Event()

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]:
        self.asked += [each.request_id for each in settlements]
        await self.speak.wait()
        assert self.answer is not None
        return [self.answer] * len(settlements)

    def say(self, answer: SettledCharge | Exception) -> None:
        self.answer = answer
        self.speak.set()


class Paper:
    """A journal in memory."""

    def __init__(self) -> None:
        self.kept: list[UUID] = []
        self.full = False

    def append(self, settlement: Settlement) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.full:
            future.set_exception(OSError(28, "No space left on device"))
        else:
            self.kept.append(settlement.request_id)
            future.set_result(None)
        return future

    def confirm(self, request_id: UUID) -> None:
        self.kept.remove(request_id)


class Desk:
    """All three together."""

    def __init__(self) -> None:
        self.database, self.journal, self.alarms = Database(), Paper(), Alarms()
        self.settlements = Settlements(self.database, self.journal, self.alarms)  # type: ignore[arg-type]

    async def all_confirmed(self) -> None:
        async with asyncio.timeout(10):
            while self.journal.kept:  # noqa: ASYNC110  what is waited for is a fact
                await asyncio.sleep(0.001)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 0.02)
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.002)
    monkeypatch.setattr(module, "_RETRY_SECONDS", (0.001,))
    return Desk()


async def test_what_is_confirmed_in_time_never_reaches_the_journal(desk: Desk) -> None:
    desk.database.say(CHARGED)
    assert await desk.settlements.submit(settlement(1)) == CHARGED
    assert (desk.alarms.counts, desk.settlements.waiting()) == ({}, set())


async def test_F3_a_silent_database_is_not_waited_for_and_its_late_answer_is_noted(desk: Desk) -> None:
    answers = [desk.settlements.submit(settlement(number)) for number in range(3)]
    assert await asyncio.gather(*answers) == [CHARGED] * 3
    assert len(desk.journal.kept) == 3
    desk.database.say(CHARGED)
    await desk.all_confirmed()
    assert sorted(desk.database.asked) == [UUID(int=number) for number in range(3)], "each was asked for once"
    assert desk.alarms.counts[Alarm.JOURNALED, "p", "m"] == 3


async def test_F3_a_database_that_is_away_is_asked_until_it_answers(desk: Desk) -> None:
    desk.database.say(DatabaseUnavailable("gone"))
    assert await desk.settlements.submit(settlement(1)) == CHARGED
    assert desk.journal.kept == [UUID(int=1)]
    desk.database.say(CHARGED)
    await desk.all_confirmed()


async def test_F3_a_settlement_that_nobody_waits_for_is_kept_as_well(desk: Desk) -> None:
    desk.settlements.submit_soon(settlement(1))
    left = desk.settlements.submit(settlement(2))
    left.cancel()
    async with asyncio.timeout(10):
        while len(desk.journal.kept) < 2:  # noqa: ASYNC110  likewise
            await asyncio.sleep(0.001)
    desk.database.say(CHARGED)
    await desk.all_confirmed()


async def test_F3_with_neither_database_nor_journal_the_outcome_is_unknown_and_said_so(desk: Desk) -> None:
    desk.journal.full = True
    with pytest.raises(DatabaseUnavailable):
        await desk.settlements.submit(settlement(1))
    desk.database.say(CHARGED)
    assert await desk.settlements.submit(settlement(2)) == CHARGED


async def test_F3_what_nobody_waits_for_outlives_a_full_disk(desk: Desk) -> None:
    desk.journal.full = True
    one = settlement(1)
    desk.database.say(DatabaseUnavailable("gone"))
    desk.settlements.submit_soon(one)
    async with asyncio.timeout(10):
        while len(desk.database.asked) < 3:  # noqa: ASYNC110  likewise
            await asyncio.sleep(0.001)
    desk.database.say(CHARGED)
    async with asyncio.timeout(10):
        while desk.settlements.waiting():
            await asyncio.wait(desk.settlements.waiting())


async def test_a_refusal_of_the_books_is_known_and_not_kept(desk: Desk) -> None:
    desk.database.say(BooksRefused("no"))
    with pytest.raises(BooksRefused):
        await desk.settlements.submit(settlement(1))
    assert desk.journal.kept == []


async def test_F3_at_the_end_what_is_under_way_goes_to_the_journal(desk: Desk) -> None:
    answer = desk.settlements.submit(settlement(1))
    await desk.settlements.close()
    assert (desk.journal.kept, answer.done()) == ([UUID(int=1)], False)


async def test_F6_F9_an_overrun_is_alarmed_once_whoever_waits(desk: Desk) -> None:
    cut = SettledCharge(Usd(10), ZERO, Usd(90))
    answer = desk.settlements.submit(settlement(1, cost=100))
    assert await answer == cut, "as the charge rule will cut it"
    desk.database.say(cut)
    await desk.all_confirmed()
    desk.settlements.submit_soon(settlement(2, cost=100))
    while desk.settlements.waiting():
        await asyncio.wait(desk.settlements.waiting())
    assert desk.alarms.lost_nano[Alarm.OVERRUN, "p"] == 180
