"""Volume tiers: they count only spending of top-ups in the current month, net of disputes."""

from datetime import UTC, datetime

import asyncpg
import pytest

from tokenharbor.accounts.volume import place_volumes
from tokenharbor.identity.store import Account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World

TIERS = [Usd.parse(each) for each in ("100", "1000")]
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
LINE = [(0, 50, "paid", True), (50, 90, "trial", False), (90, 300, "paid", True), (300, 2000, "paid", False)]
"""Pieces of a line in USD: 50 of a top-up, 40 of a trial, 210 of a top-up, the rest of what an operator gave."""


@pytest.fixture(autouse=True)
async def _line(conn: asyncpg.Connection, account: Account) -> None:
    for number, (start, end, origin_pool, is_top_up) in enumerate(LINE, 1):
        await _add_lot(conn, account.id, UUID(int=number), (start, end), origin_pool)
        if is_top_up:
            await _add_capture(conn, account.id, UUID(int=number), end - start)


async def _add_lot(
    conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, piece: tuple[int, int], origin: str
) -> None:
    start, end = (Usd.parse(str(each)) for each in piece)
    await conn.execute(
        "INSERT INTO lot (id, account_id, pool, origin, amount, granted_at, entry_id)"
        " VALUES ($1, $2, $3, 'x', $4, $5, $1)",
        *(lot_id, account_id, origin, end - start, APRIL),
    )
    await conn.execute("INSERT INTO segment VALUES ($1, $2, $3, $4)", account_id, start, end, lot_id)


async def _add_capture(conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, usd: int) -> None:
    await conn.execute(
        "INSERT INTO top_up (id, account_id, processor, method, created_at, currency, amount_minor, credit, state,"
        " paid_at, actor, idempotency_key) VALUES ($1, $2, 'p', 'm', $3, 'USD', 1, 1, 'paid', $3, 'a', $4)",
        *(lot_id, account_id, APRIL, str(lot_id)),
    )
    await conn.execute(
        "INSERT INTO capture (processor, capture_id, top_up_id, account_id, lot_id, currency, captured, captured_minor,"
        " paid_at) VALUES ('p', $4, $1, $2, $1, 'USD', $5, 1000000, $3)",
        *(lot_id, account_id, APRIL, str(lot_id), Usd.parse(str(usd))),
    )


async def _place(conn: asyncpg.Connection, world: World, account: Account, spent: str, of_month: str) -> Usd:
    """The tier of the account once it has spent so much, and so much of it in this month."""
    amounts = Usd.parse(spent), Usd.parse(of_month)
    await conn.execute(
        "UPDATE wallet SET line_end = 2000000000000, spent = $2, month_spent = $3, month_end = $4"
        " WHERE account_id = $1",
        *(account.id, *amounts, APRIL),
    )
    await place_volumes(conn, world, TIERS)
    return Usd(await conn.fetchval("SELECT volume FROM account WHERE id = $1", account.id))


async def test_TH_B2_a_tier_counts_what_was_spent_of_top_ups(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    for spent, of_month, tier in (
        ("139.99", "139.99", "0"),  # 40 of them were a trial's
        ("140", "140", "100"),
        ("140", "100", "0"),  # 40 of the top-up were spent before this month
        ("300", "210", "100"),
        ("300", "99.99", "0"),
        ("2000", "2000", "100"),  # an operator's credit is no top-up
    ):
        assert await _place(conn, world, account, spent, of_month) == Usd.parse(tier), (spent, of_month)


async def test_TH_B2_what_a_dispute_took_back_counts_no_more(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    assert await _place(conn, world, account, "300", "300") == TIERS[0]
    await conn.execute(
        "UPDATE capture SET disputed = captured - 49000000000, disputed_minor = 1 WHERE captured > 60000000000"
    )
    assert await _place(conn, world, account, "300", "300") == 0, "49 of the one and 50 of the other"


async def test_TH_B2_a_tier_ends_with_the_month(
    conn: asyncpg.Connection, world: World, account: Account, clock: ManualClock
) -> None:
    assert await _place(conn, world, account, "300", "300") == TIERS[0]
    assert await place_volumes(conn, world, TIERS) == [], "a row that says so already is not written again"
    clock.advance(APRIL - clock.now())
    assert await place_volumes(conn, world, TIERS) == [account.id]
    assert await conn.fetchval("SELECT volume FROM account") == 0


async def test_an_edition_without_tiers_takes_back_what_another_gave(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    await _place(conn, world, account, "300", "300")
    assert await place_volumes(conn, world, []) == [account.id]
    assert await conn.fetchval("SELECT volume FROM account") == 0
