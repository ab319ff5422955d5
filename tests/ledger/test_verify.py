"""`ledger verify` finds every kind of tampering, and the database refuses the simple ones."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tokenharbor.ledger.types import Pool
from tokenharbor.ledger.verify import verify

TAMPERINGS = {
    "an amount": "update entry set amount = amount + 1, fee = 0 where seq = 4",
    "an amount and all that follows from it": """
        update entry set amount = amount + 1 where seq = 4;
        update entry set pos = pos + 1 where seq > 4;
        update wallet set spent = spent + 1""",
    "a fee": "update entry set fee = fee + 1 where seq = 4",
    "a vendor's cost": "update entry set vendor_cost = 0 where seq = 4",
    "a provider": "update entry set provider = 'another' where seq = 4",
    "a time": "update entry set at = at + interval '1 microsecond' where seq = 4",
    "a price version": "update entry set price_version = 'x' where seq = 4",
    "a reference": "update entry set reference = 'stripe/pi_2' where seq = 1",
    "two entries swapped": "update entry set seq = 9 - seq, ordinal = 1 - ordinal where seq in (4, 5)",
    "an entry gone": "delete from entry where seq = 5",
    "the last entry gone": "delete from entry where seq = 9",
    "an entry of nobody": """
        insert into entry select (jsonb_populate_record(e, '{"account_id": "00000000-0000-0000-0000-000000000001",
        "id": "01a21293-ffff-7000-8000-000000000001"}')).* from entry e where seq = 4""",
    "a detail": "update request set detail = 'other' where id in (select id from entry where seq = 4)",
    "a salt": "update request set salt = 'other' where id in (select id from entry where seq = 4)",
    "a request gone": "delete from request where id in (select id from entry where seq = 4)",
    "a posting": "update posting set amount = amount + 1 where entry_id in (select id from entry where seq = 1)",
    "a posting's address": "update posting set source = 'expense/other' where ordinal = 0",
    "a posting too many": "insert into posting select id, 0, 5, null, 'loss/a', 'loss/b' from entry where seq = 4",
    "a posting of no entry": "insert into posting values (account_of(), 0, 5, null, 'loss/a', 'loss/b')",
    "a posting gone": "delete from posting where entry_id in (select id from entry where seq = 1)",
    "a lot": "update lot set amount = amount + 1 where pool = 'promo'",
    "a lot gone": "delete from lot where pool = 'promo'",
    "a lot from nowhere": """
        insert into lot select (jsonb_populate_record(l, '{"id": "019f0000-0000-7000-8000-000000000001"}')).*
        from lot l where pool = 'promo'""",
    "a pool": "update lot set pool = 'paid' where pool = 'promo'",
    "an expiry put off": "update wallet set next_expiry = 'infinity'",
    "a longer line": """
        update segment set end_at = end_at + 5 where end_at = (select line_end from wallet);
        update wallet set line_end = line_end + 5""",
    "a gap in the line": "update segment set start_at = start_at + 1 where start_at > 0",
    "the end of the line": "update wallet set line_end = line_end + 1",
    "what is spent": "update wallet set spent = spent - 1",
    "what is held": "update wallet set held = held + 1",
    "what a key holds": "update key_meter set held = held + 1",
    "a hold gone": "delete from hold where request_id = (select request_id from hold limit 1)",
    "a hold of nobody": "insert into hold values (account_of(), account_of(), account_of(), 5, account_of())",
    "debt": "update wallet set debt = 5",
    "the chain's head": "update wallet set chain = sha256('x')",
    "the chain's step": "update wallet set step = step + 1",
    "a reference forgotten": "delete from entry_reference",
    "a reference of another": "update entry_reference set entry_id = account_of()",
}


async def _fill(scene: Any) -> None:
    """A bit of everything."""
    await scene.credit(1000, reference="stripe/pi_1")
    await scene.credit(300, Pool.TRIAL, timedelta(hours=1))
    holds = [scene.hold(10) for _ in range(6)]
    await scene.place(*holds)
    await scene.settle(*[scene.settlement(hold, 10, fee=1, vendor_cost=8) for hold in holds[:3]])
    await scene.release(holds[3], loss=4)
    scene.clock.advance(timedelta(hours=2))
    await scene.spend(100)
    await scene.credit(50, Pool.PROMO, timedelta(days=1))


async def test_tampering_is_found_in_one_line(lone_scene: Any) -> None:
    conn = lone_scene.conn
    await _fill(lone_scene)
    report = await verify(conn)
    assert (report.fault, report.accounts, report.entries) == (None, 1, 9)
    await conn.execute(
        "create function account_of() returns uuid language sql as "
        "$$ select '019f0000-0000-7000-8000-00000000000f'::uuid $$"
    )
    faults = {name: await _fault_after(conn, statement) for name, statement in TAMPERINGS.items()}
    assert [name for name, fault in faults.items() if fault is None or "\n" in fault] == []
    assert (await verify(conn)).fault is None


async def _fault_after(conn: asyncpg.Connection, statement: str) -> str | None:
    """As a superuser who switches triggers and foreign keys off; it is undone again."""
    tampering = conn.transaction(isolation="repeatable_read")
    await tampering.start()
    try:
        await conn.execute("set local session_replication_role = replica")
        await conn.execute(statement)
        return (await verify(conn)).fault
    finally:
        await tampering.rollback()


async def test_an_erased_detail_and_a_dropped_day_are_no_fault(lone_scene: Any) -> None:
    await _fill(lone_scene)
    await lone_scene.conn.execute("update request set detail = null, salt = null")
    assert (await verify(lone_scene.conn)).fault is None
    await lone_scene.conn.execute("drop table request_20261125")
    assert (await verify(lone_scene.conn)).fault is None


@pytest.mark.parametrize(
    "statement",
    [
        "update entry set amount = 1",
        "delete from entry",
        "truncate entry",
        "truncate entry_202611",
        "update posting set amount = 1",
        "delete from posting",
        "truncate posting",
        "update price set body = ''",
        "delete from price",
    ],
)
async def test_what_is_written_is_never_changed_or_deleted(scene: Any, statement: str) -> None:
    await scene.credit(5)
    with pytest.raises(asyncpg.RestrictViolationError):
        await scene.conn.execute(statement)


async def test_books_in_use_verify(scene: Any) -> None:
    await scene.credit(10_000)
    for _ in range(5):
        holds = [scene.hold(10) for _ in range(20)]
        await scene.place(*holds)
        assert await scene.fault() is None
        await scene.settle(*[scene.settlement(hold, 9) for hold in holds])
    assert await scene.fault() is None
