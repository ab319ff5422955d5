"""The auditor is given false books: whatever clients, provider and books disagree in, it says so."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

import asyncpg
import pytest
from tests.e2e.fleet.evidence import AnswerSeen, Ended, at_rest, audit, ended
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.raw_client import CHAT, MESSAGES, ask, question
from tests.postgres_server import create_database

from tokenharbor.kernel import ids

pytestmark = pytest.mark.slow

SCRIPT = """
[answer]
tokens = 60
chunk_chars = 20
usage = { input = 30, output = 60 }
[[rules]]
match = { contains = "[long]" }
answer = { tokens = 1000, chunk_chars = 20, delay_ms = 100, usage = { input = 30, output = 1000 } }
[[rules]]
match = { contains = "[fail]" }
fault = { kind = "status", status = 500 }
"""

_LOSE = """
update wallet set spent = spent - (select amount from entry where id = {complete}) where account_id = {payer};
delete from entry where id = {complete};
"""
_BILL_AGAIN = """
insert into entry select (jsonb_populate_record(e, again)).* from entry e, lateral jsonb_build_object(
    'id', overlay(e.id::text placing 'ffff' from 33), 'account_id', {payer}::text) again where e.id = BILLED;
insert into request select (jsonb_populate_record(r, again)).* from request r, lateral jsonb_build_object(
    'id', overlay(r.id::text placing 'ffff' from 33), 'account_id', {payer}::text) again where r.id = BILLED;
update wallet set spent = (select sum(amount) from entry where account_id = {payer} and type = 'usage')
    where account_id = {payer};
"""
_CHARGE_MORE = """
update entry set amount = amount + MORE where id = CHARGED;
update wallet set spent = spent + MORE where account_id = {payer};
"""
_SAY_MORE = """
with old as (select convert_from(detail, 'utf8')::jsonb said from request where id = {left}),
    new as (select jsonb_set(said, '{{WHAT}}', to_jsonb((said #>> '{{WHAT}}')::int + MORE)) said from old)
update request set detail = convert_to(new.said::text, 'utf8') from new where id = {left};
"""
_LEAVE_HOLD = """
insert into hold (request_id, account_id, key_id, amount, gateway_id)
    select id, account_id, key_id, 0, id from request where id = {complete};
"""
_OVERDRAW = """
alter table wallet drop constraint wallet_check;
update wallet set line_end = spent - 1 where account_id = {payer};
"""
_TEN_TOKENS_MORE = _SAY_MORE.replace("WHAT", "usage,output").replace("MORE", "10") + _CHARGE_MORE.replace(
    "CHARGED", "{left}"
).replace("MORE", "20000")

FALSE_BOOKS = {
    "an entry is lost": (_LOSE, "were not billed"),
    "an entry is lost, and the wallet has paid": ("delete from entry where id = {complete}", "charged"),
    "an answer is billed under a second id": (_BILL_AGAIN.replace("BILLED", "{complete}"), "billed twice"),
    "another's request is billed as well": (_BILL_AGAIN.replace("BILLED", "{strangers}"), "nobody asked"),
    "a nano too much": (_CHARGE_MORE.replace("CHARGED", "{complete}").replace("MORE", "1"), "amount"),
    "a nano too little": (_CHARGE_MORE.replace("CHARGED", "{complete}").replace("MORE", "-1"), "amount"),
    "delivered is more than was sent": (
        _SAY_MORE.replace("WHAT", "delivered_bytes").replace("MORE", "9999"),
        "more was delivered",
    ),
    "tokens that were not delivered are charged": (_TEN_TOKENS_MORE, "more was counted"),
    "a charge without a detail": ("update request set detail = null where id = {complete}", "without a detail"),
    "a charge without its request": ("delete from request where id = {complete}", "without a detail"),
    "the wallet has paid more": ("update wallet set spent = spent + 1 where account_id = {payer}", "charged"),
    "money stays held": ("update wallet set held = 1 where account_id = {payer}", "'held': 1"),
    "money of a key stays held": ("update key_meter set held = 1 where account_id = {payer}", "'keys_held': 1"),
    "a place stays taken": ("update wallet set open = 1 where account_id = {payer}", "'open': 1"),
    "a place of a key stays taken": ("update key_meter set open = 1 where account_id = {payer}", "'keys_open': 1"),
    "a debt": ("update wallet set debt = 1 where account_id = {payer}", "'debt': 1"),
    "a hold is left over": (_LEAVE_HOLD, "'holds': 1"),
    "more is spent than there was": (_OVERDRAW, "line_end"),
}
"""What is done to the books, and a fact that the auditor names."""


@dataclass
class Tampered(Fleet):
    """A fleet whose books the auditor reads inside a transaction that is undone."""

    conn: asyncpg.Connection | None = None

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        assert self.conn is not None
        yield self.conn

    @contextlib.asynccontextmanager
    async def after(self, change: str) -> AsyncIterator[None]:
        """With the guards of the database out of the way."""
        conn = await asyncpg.connect(self.books)
        try:
            self.conn, undone = conn, conn.transaction()
            await undone.start()
            await conn.execute("set local session_replication_role = replica")
            await conn.execute(change)
            yield
            await undone.rollback()
        finally:
            await conn.close()


@dataclass(frozen=True)
class Honest:
    """Books that are right: one answer of each kind, and what the clients heard."""

    fleet: Fleet
    payer: str
    heard: Sequence[AnswerSeen]
    names: dict[str, str]  # SQL literals

    def tampered(self) -> Tampered:
        fleet = self.fleet
        return Tampered(fleet.folder, fleet.gateways, fleet.config, fleet.books)


@pytest.fixture(scope="module")
def fleet(postgres_url: str) -> Iterator[Fleet]:
    with (
        running_vendor(SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=create_database(postgres_url, "evidence"), workers=(1,)) as fleet,
    ):
        yield fleet


@pytest.fixture
async def honest(fleet: Fleet) -> Honest:
    payer, stranger = fleet.new_account(), fleet.new_account()
    key, url = fleet.new_key(payer), fleet.urls[0]
    asked = {
        "complete": question(CHAT, key),
        "left": replace(question(MESSAGES, key, "[long]", stream=True), leave_bytes=900),
        "failed": question(CHAT, key, "[fail]"),
        "strangers": question(CHAT, fleet.new_key(stranger)),
    }
    heard = {name: await ask(url, each) for name, each in asked.items()}
    assert [each.how for each in heard.values()] == ["complete", "left", "failed", "complete"]
    await at_rest(fleet)
    names = {name: f"'{ids.parse('req', each.id)}'" for name, each in heard.items()}
    names["payer"] = f"'{ids.parse('acct', payer)}'"
    return Honest(fleet, payer, [ended(each) for name, each in heard.items() if name != "strangers"], names)


async def test_what_is_wrong_in_the_books_is_found(honest: Honest) -> None:
    found = await audit(honest.fleet, [honest.payer], honest.heard)
    assert (dict(found.endings), found.billed, found.unseen) == ({"complete": 1, "left": 1, "failed": 1}, 2, 1)
    for what, (change, fact) in FALSE_BOOKS.items():
        tampered = honest.tampered()
        async with tampered.after(change.format(**honest.names)):
            with pytest.raises(AssertionError) as said:
                await audit(tampered, [honest.payer], honest.heard)
        assert fact in str(said.value), (what, said.value)
    await audit(honest.fleet, [honest.payer], honest.heard)


async def test_what_a_client_heard_and_the_books_do_not_say_is_found(honest: Honest) -> None:
    complete, left, failed = honest.heard
    lies: dict[str, tuple[Sequence[AnswerSeen], str]] = {
        "told that it failed": ([Ended("failed", complete.id, {}), left, failed], "told that they failed"),
        "complete, and free": ([complete, left, Ended("complete", failed.id, {})], "were not billed"),
        "two answers of one id": ([complete, complete, left, failed], "two answers"),
        "another cost in its head": (
            [Ended("complete", complete.id, {"x-tokenharbor-cost-usd": "1.000000000"}), left, failed],
            "1.000000000",
        ),
        "billed, and asked for by nobody": ([complete, failed], "nobody asked"),
    }
    for what, (heard, fact) in lies.items():
        with pytest.raises(AssertionError) as said:
            await audit(honest.fleet, [honest.payer], heard)
        assert fact in str(said.value), (what, said.value)


async def test_who_waits_for_rest_is_told_what_is_left(honest: Honest) -> None:
    for what, fact in {
        "update wallet set held = 1 where account_id = {payer}": "'held': 1",
        "update wallet set open = 1 where account_id = {payer}": "'open': 1",
        "update key_meter set open = 1 where account_id = {payer}": "'keys_open': 1",
    }.items():
        tampered = honest.tampered()
        async with tampered.after(what.format(**honest.names)):
            with pytest.raises(TimeoutError) as said:
                await at_rest(tampered, 0.1)
        assert fact in str(said.value), (what, said.value)
