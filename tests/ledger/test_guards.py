"""F8: a direct change of any column of the books is refused by the database or found by `ledger verify`."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.house.test_docs import page, rows

from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import RootSecret, SecretPurpose
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.sign import roots, sign_books
from tokenharbor.ledger.tasks import VendorTask, VendorTasks
from tokenharbor.ledger.types import Pool
from tokenharbor.ledger.verify import TrustAnchors, verify

SIGNER = MessageSigner(RootSecret("r" * 32).derive(SecretPurpose.RECEIPTS))
TRUST = TrustAnchors({SIGNER.key_id: SIGNER.public_key})

NO_BOOKS = {
    *("app_user", "membership", "credential", "account_change", "key_change", "job", "migration", "meta"),
    *("top_up", "capture", "processor_event", "processor_sweep", "exchange_rate", "saved_method", "auto_top_up"),
    *("refund", "dispute", "dispute_part", "dispute_move", "payee", "payee_address", "withdrawal", "withdrawal_part"),
    *("reward", "reward_account", "top_up_match", "cashback_day", "cashback_source", "reward_return"),
    *("referral_code", "referral", "code", "redemption"),
    *("alert_preference", "alert_webhook", "notice", "notice_delivery", "model_change_look"),
    *("usage_hour", "usage_mark", "provider_day", "stage_day"),
    *("user_session", "recovery_code", "sign_in_token", "sign_in_attempt", "user_mail", "management_key"),
    *(
        "user_identity",
        "former_mailbox",
        "former_member",
        "made_once",
        "tool_connection",
        "passkey",
        "passkey_challenge",
    ),
    *("metadata_purge", "offered_price", "endpoint_day", "refused_call"),
    *("semantic_report", "comparison_day", "comparison_cost"),
}
"""Tables in which there is no money of an account and from which none follows: a balance is what entries say."""

WHICH = {
    "lot": "pool = 'promo'",
    "restricted_credit": "place = 'locked'",
    "segment": "start_at > 0",
    "entry": "type = 'usage'",
    "request": "id in (select id from entry where type = 'usage')",
    "hold": "request_id not in (select request_id from task)",
    "key_meter": "spent > 0",
    "gateway": "id in (select gateway_id from hold)",
    "account": "id in (select account_id from entry)",
    "api_key": "id in (select key_id from request)",
}
"""The row to change, for tables where not any row will do."""

OTHER = {
    "lot.pool": "'paid'",
    "task.state": "'done'",
    "restricted_credit.place": "'payout'",
    "account.semantic_cache": "'on'",
    "wallet.next_expiry": "'2026-12-24 00:00Z'::timestamptz",
    "key_meter.daily": "5",
    "key_meter.monthly": "5",
    "wallet.daily": "5",
    "wallet.monthly": "5",
    "entry.type": "'loss'",
    "api_key.networks": "'{10.0.0.0/8}'::cidr[]",
}
"""The new value of a column, for columns where one chosen by type will not do."""

CHANGES = {
    "boolean": "not {c}",
    "bigint": "{c} + 1",
    "integer": "{c} + 1",
    "bytea": "sha256({c})",
    "text": "{c} || 'x'",
    "uuid": "overlay({c}::text placing translate(substr({c}::text, 30, 1), '0123456789abcdef', '123456789abcdef0') "
    "from 30)::uuid",
    "timestamp with time zone": "{c} + interval '1 microsecond'",
    "jsonb": """'{{"a": "b"}}'::jsonb""",
    "ARRAY": "'{{x}}'::text[]",
}
UNSET = {
    "timestamp with time zone": "'2026-01-01 00:00Z'",
    "bigint": "5",
    "integer": "5",
    "uuid": "'019f0000-0000-7000-8000-00000000000f'",
}
"""The value that replaces NULL, by type."""


async def fill(scene: Any) -> None:
    """Books with a bit of everything; all but the last entries are signed."""
    conn, now = scene.conn, scene.clock.now()
    await conn.execute("insert into account values ($1, $2, 'a', '', 'token-harbor')", scene.account, now)
    await conn.execute(
        "insert into api_key (id, account_id, hash, hash_key_id, first4, last4, quota, created_at) "
        "values ($1, $2, 'h', 'k', 'abcd', 'wxyz', 9000, $3)",
        scene.key, scene.account, now,
    )  # fmt: skip
    paid = await scene.credit(1000, reference="stripe/pi_1")
    match = await scene.match(90, timedelta(days=1))
    await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(40)))
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {paid.lot_id: Usd(25)}))
    await scene.credit(300, Pool.TRIAL, timedelta(hours=1))
    await scene.credit(50, Pool.PROMO, timedelta(days=1))
    holds = [scene.hold(10) for _ in range(6)]
    await scene.place(*holds)
    await scene.settle(*[scene.settlement(hold, 10, fee=1, vendor_cost=8) for hold in holds[:3]])
    await scene.release(holds[3], loss=4)
    await scene.release(holds[5])
    scene.clock.advance(timedelta(hours=2))
    await sign_books(conn, scene.world, SIGNER)
    await scene.spend(100)
    task_hold = scene.hold(40)
    await scene.place(task_hold)
    assert await VendorTasks(scene.book._pool).add(VendorTask(scene.settlement(task_hold, 40), "camera", "theirs"))
    await sign_books(conn, scene.world, SIGNER)
    await scene.spend(70)
    await scene.conn.execute("insert into gateway values ($1, '/home/2', 1, $2)", scene.world.ids.new(), now)


async def columns(conn: asyncpg.Connection) -> Mapping[str, asyncpg.Record]:
    """Every column of every table, without those of partitions."""
    found = await conn.fetch("""
        select table_name || '.' || column_name as name, table_name, column_name, data_type
        from information_schema.columns join information_schema.tables using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE'
          and table_name not in (select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid)
        order by 1""")
    return {row["name"]: row for row in found if row["table_name"] not in NO_BOOKS}


def guards() -> dict[str, str]:
    """Each column on the page, and whether `verify` finds a change, or `not money`."""
    text = page("docs/money.md").partition("## What guards each column")[2].partition("\n## ")[0]
    return {
        name: "verify" if cells[1].startswith("verify") else cells[1].split(":")[0]
        for cells in rows(text)
        for name in re.findall(r"`([a-z_]+\.[a-z_0-9]+)`", cells[0])
    }


async def test_F8_every_column_of_the_books_has_its_guard_on_the_page(lone_scene: Any) -> None:
    listed = guards()
    assert listed.keys() == (await columns(lone_scene.conn)).keys()
    assert set(listed.values()) == {"verify", "not money"}


@pytest.mark.slow  # verifies the books some two hundred times
async def test_F8_a_change_of_any_column_is_found_or_the_page_says_why_not(lone_scene: Any) -> None:
    conn = lone_scene.conn
    await fill(lone_scene)
    report = await verify(conn, trust=TRUST)
    assert (report.fault, report.signed) == (None, 2)
    listed = guards()
    wrong = {}
    for name, column in (await columns(conn)).items():
        fault = await _fault_after(conn, column)
        if (fault is not None) != (listed[name] == "verify") or (fault is not None and "\n" in fault):
            wrong[name] = fault
    assert wrong == {}
    assert (await verify(conn, trust=TRUST)).fault is None


async def _fault_after(conn: asyncpg.Connection, column: asyncpg.Record) -> str | None:
    """As a superuser who switches triggers and foreign keys off; it is undone again."""
    name, kind = column["column_name"], column["data_type"]
    other = OTHER.get(column["name"]) or CHANGES[kind].format(c=name)
    table = column["table_name"]
    row = f"select ctid, tableoid from {table} where {WHICH.get(table, 'true')} limit 1"  # noqa: S608
    tampering = conn.transaction(isolation="repeatable_read")
    await tampering.start()
    try:
        await conn.execute("set local session_replication_role = replica")
        changed = await conn.execute(
            f"update {table} set {name} = coalesce({other}, {UNSET.get(kind, 'null')}) "  # noqa: S608
            f"where (ctid, tableoid) = ({row})"
        )
        assert changed == "UPDATE 1", column["name"]
        return (await verify(conn, trust=TRUST)).fault
    except asyncpg.IntegrityConstraintViolationError as refused:
        return f"refused: {type(refused).__name__}"
    finally:
        await tampering.rollback()


REWRITES = {
    "the last entry removed, and all that follows from it": """
        create temp table gone as select * from entry order by seq desc limit 1;
        delete from entry where id in (select id from gone);
        delete from request where id in (select id from gone);
        update key_meter m set spent = m.spent - g.amount, day_spent = day_spent - g.amount,
            month_spent = month_spent - g.amount from gone g where m.spent > 0;
        update wallet w set spent = g.pos, seq = g.seq - 1, step = g.step - 1 from gone g where w.seq = g.seq;
        update wallet set chain = chain_of(account_id) where seq > 0""",
    "an amount made smaller, and all that follows from it": """
        update entry set amount = amount - 1 where seq = (select max(seq) from entry);
        update key_meter set spent = spent - 1, day_spent = day_spent - 1, month_spent = month_spent - 1
            where spent > 0;
        update wallet set spent = spent - 1 where seq > 0;
        update wallet set chain = chain_of(account_id) where seq > 0""",
}
CHAIN_OF = """
create function chain_of(p_account uuid) returns bytea language plpgsql as $$
declare head bytea := decode(repeat('00', 32), 'hex'); leaves bytea;
begin
    for leaves in
        select string_agg(entry_digest(type, provider, reference, id, account_id, seq, pos, amount, fee, vendor_cost,
                                       over, at, detail_digest, price_version), ''::bytea order by ordinal)
        from entry where account_id = p_account group by step order by step
    loop
        head := sha256(head || sha256(leaves));
    end loop;
    return head;
end $$"""


@pytest.mark.parametrize("rewrite", REWRITES)
async def test_F8_a_rewritten_history_is_found_by_a_root_kept_elsewhere(lone_scene: Any, rewrite: str) -> None:
    """Whether whoever rewrote it left the roots in the database, took them away, or even signed anew with our key."""
    conn = lone_scene.conn
    await fill(lone_scene)
    await sign_books(conn, lone_scene.world, SIGNER)
    kept = [root async for root in roots(conn)]
    await conn.execute(CHAIN_OF)
    await conn.execute("set session_replication_role = replica")
    await conn.execute(REWRITES[rewrite])
    fault = (await verify(conn, trust=TRUST)).fault
    assert fault is not None
    assert "root 3" in fault
    await conn.execute("delete from signed_cut where root = 3; delete from signed_root where number = 3")
    assert (await verify(conn, trust=TRUST)).fault is None
    elsewhere = TrustAnchors(TRUST.keys, kept)
    assert "root 3" in ((await verify(conn, trust=elsewhere)).fault or "")
    await sign_books(conn, lone_scene.world, SIGNER)
    assert (await verify(conn, trust=TRUST)).fault is None
    assert "root 3" in ((await verify(conn, trust=elsewhere)).fault or "")


SWAPS = {
    "spent segments of two lots swapped": """
        create temp table two as
            select lot_id, end_at - start_at as size, row_number() over (order by start_at) as n, account_id
            from segment order by start_at limit 2;
        delete from segment where start_at in (select start_at from segment order by start_at limit 2);
        insert into segment select account_id, 0, size, lot_id from two where n = 2;
        insert into segment
            select a.account_id, b.size, b.size + a.size, a.lot_id from two a, two b where a.n = 1 and b.n = 2""",
    "the terms of a lot": "update lot set refundable_until = granted_at + interval '1 year' where pool = 'paid'",
    "a meter and its key together": "update key_meter set spent = spent - 30, day_spent = 0 where spent > 0",
    "a charge moved to another key": """
        insert into key_meter (key_id, account_id)
            select '019f0000-0000-7000-8000-0000000000aa', account_id from key_meter limit 1;
        update request set key_id = '019f0000-0000-7000-8000-0000000000aa'
        where id = (select id from entry where type = 'usage' order by seq limit 1)""",
    "a price gone": "delete from price",
    "a price nobody charged by, changed": "insert into price values ('v', 'body', now())",
    "a salt gone": "update request set salt = null",
    "a seal gone": "delete from entry_seal where entry_id = (select id from entry where type = 'credit' limit 1)",
    "a hold of a gateway that never was": "update hold set gateway_id = account_id",
    "a wallet gone": "delete from wallet where seq = 0; delete from wallet where seq > 0",
    "a task that costs less": "update task set cost = 1",
    "a task without its hold": """
        update wallet set held = held - 40 where held > 0; update key_meter set held = held - 40 where held > 0;
        delete from hold where request_id in (select request_id from task)""",
    "a cut gone": "delete from signed_cut where root = 1",
    "a root gone": "delete from signed_cut where root = 1; delete from signed_root where number = 1",
    "whole accounts, with all that is theirs but the cuts": """
        delete from account; delete from wallet; delete from entry; delete from entry_seal; delete from posting;
        delete from entry_reference; delete from lot; delete from segment; delete from hold; delete from task;
        delete from key_meter; delete from api_key; delete from request""",
    "an account that has moved to another id": """
        update account set id = '019f0000-0000-7000-8000-0000000000ab' where id in (select account_id from signed_cut);
        delete from wallet; delete from entry; delete from entry_seal; delete from posting; delete from entry_reference;
        delete from lot; delete from segment; delete from hold; delete from task; delete from request;
        delete from key_meter; delete from api_key;
        insert into wallet (account_id) select id from account""",
    "a root signed by another": "update signed_root set signature = sha256('x') || sha256('y') where number = 2",
}


async def test_F8_other_changes_of_each_kind_are_found(lone_scene: Any) -> None:
    conn = lone_scene.conn
    await fill(lone_scene)
    silent = []
    for name, statement in SWAPS.items():
        tampering = conn.transaction(isolation="repeatable_read")
        await tampering.start()
        await conn.execute("set local session_replication_role = replica")
        await conn.execute(statement)
        if (await verify(conn, trust=TRUST)).fault is None:
            silent.append(name)
        await tampering.rollback()
    assert silent == []
