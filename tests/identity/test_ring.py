"""The key ring: new keys work at once, revoked ones are refused within a second, and database trouble is no 401."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tokenharbor.db.pool import ConnectOptions, connect, open_pool
from tokenharbor.identity import ring as ring_module
from tokenharbor.identity import store
from tokenharbor.identity.caller import PLAIN_ACCOUNT, UNSTATED, AccountRules, StatedRates
from tokenharbor.identity.keys import NewKey, key_hasher, make_key
from tokenharbor.identity.ring import KeyRing
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import InvalidApiKey, Unavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.world import World


class Reader:
    """A pool that counts readings, and is unavailable, slow or dead on demand."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.readings = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def fetch(self, query: str, *args: object) -> Sequence[Any]:
        self.readings += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        rows: Sequence[Any] = await self._pool.fetch(query, *args)
        return rows


@dataclass
class House:
    """A database with one account, and a ring on it."""

    conn: asyncpg.Connection
    world: World
    derived: DerivedSecret
    account_id: UUID
    reader: Reader
    ring: KeyRing

    async def new_key(self, rules: KeyRules | None = None) -> tuple[bytes, UUID]:
        made = make_key(self.world.entropy)
        key_id = await store.add_key(
            self.conn, self.world, self.derived, account_id=self.account_id, key=made, rules=rules or KeyRules()
        )
        return made.key.encode(), key_id

    async def revoke(self, key_id: UUID) -> None:
        await store.revoke_key(self.conn, key_id, self.world.clock.now())


@pytest.fixture
async def house(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, database_url: str
) -> AsyncIterator[House]:
    pool = await open_pool(ConnectOptions(database_url), size=2)
    reader = Reader(pool)
    account = await store.create_account(conn, world, "ada@example.com", "e")
    ring = KeyRing(reader, key_hasher(derived), world.clock)
    yield House(conn, world, derived, account.id, reader, ring)
    await pool.close()


def unknown_key(number: int) -> bytes:
    return NewKey(f"thk_live_{number:032d}").key.encode()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  what is waited for is a fact, no event
            await asyncio.sleep(0.01)


async def test_a_key_in_the_snapshot_is_found_with_its_rules(house: House) -> None:
    expires_at = house.world.clock.now() + timedelta(days=1)
    key, key_id = await house.new_key(KeyRules(models=("m",), denied_providers=("p",), expires_at=expires_at))
    assert house.ring.find(key) is None
    await house.ring.refresh()
    caller = house.ring.find(key)
    assert caller is not None
    assert (caller.key_id, caller.account_id) == (key_id, house.account_id)
    assert (caller.models, caller.providers) == (frozenset({"m"}), frozenset())
    assert caller.denied_providers == frozenset({"p"})
    assert caller.expires_at == expires_at


_SOMEBODY_WAITS = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
"""


async def _change_account(house: House, change: str) -> None:
    query = f"UPDATE account SET {change} WHERE id = $1"  # noqa: S608  words of this file
    await house.conn.execute(query, house.account_id)


async def test_a_key_carries_its_own_rates_and_what_its_account_states(house: House) -> None:
    await _change_account(house, "plan = 'pro', rpm = 0, key_tpm = 7, free_models = true, volume = 9")
    await house.conn.execute("UPDATE wallet SET topped_up = 5 WHERE account_id = $1", house.account_id)
    key, _ = await house.new_key(KeyRules(rates=StatedRates(rpm=3, concurrency=2)))
    caller = await house.ring.look_up(key)
    assert caller.rates == StatedRates(3, None, 2)
    assert caller.account == AccountRules("pro", StatedRates(rpm=0), StatedRates(tpm=7), True, Usd(5), Usd(9))


async def test_keys_of_accounts_that_state_nothing_share_what_is_empty(house: House) -> None:
    callers = [await house.ring.look_up((await house.new_key())[0]) for _ in range(2)]
    assert {id(caller.account) for caller in callers} == {id(PLAIN_ACCOUNT)}
    assert {id(caller.rates) for caller in callers} == {id(UNSTATED)}


async def test_a_change_of_an_account_is_another_caller_of_each_of_its_keys(house: House) -> None:
    keys = [(await house.new_key())[0] for _ in range(2)]
    revoked, revoked_id = await house.new_key()
    await house.revoke(revoked_id)
    other = await store.create_account(house.conn, house.world, "bob@example.com", "e")
    stranger = make_key(house.world.entropy)
    await store.add_key(house.conn, house.world, house.derived, account_id=other.id, key=stranger, rules=KeyRules())
    presented = [*keys, stranger.key.encode()]
    for change in ("plan = 'pro'", "tpm = 9", "key_concurrency = 1", "free_models = true"):
        await house.ring.refresh()
        before = [house.ring.find(key) for key in presented]
        await _change_account(house, change)
        await house.ring.refresh()
        after = [house.ring.find(key) for key in presented]
        assert [new is old for new, old in zip(after, before, strict=True)] == [False, False, True], change
    assert house.ring.find(revoked) is None


async def test_a_top_up_changes_the_keys_of_its_account_and_a_charge_does_not(house: House) -> None:
    key, _ = await house.new_key()
    first = await house.ring.look_up(key)
    await house.conn.execute("UPDATE wallet SET topped_up = topped_up, seq = seq + 1")
    await house.ring.refresh()
    assert house.ring.find(key) is first
    await house.conn.execute("UPDATE wallet SET topped_up = 7")
    await house.ring.refresh()
    again = house.ring.find(key)
    assert again is not None
    assert again.account.topped_up == Usd(7)


async def test_a_key_that_is_made_during_a_change_of_its_account_has_the_change(
    house: House, database_url: str
) -> None:
    other = await connect(ConnectOptions(database_url))
    made = make_key(house.world.entropy)
    try:
        async with house.conn.transaction():
            await store.add_key(
                house.conn, house.world, house.derived, account_id=house.account_id, key=made, rules=KeyRules()
            )
            change = asyncio.create_task(
                other.execute("UPDATE account SET plan = 'pro' WHERE id = $1", house.account_id)
            )
            async with asyncio.timeout(5):
                while not await house.conn.fetchval(_SOMEBODY_WAITS):
                    pass
        await change
    finally:
        await other.close()
    assert (await house.ring.look_up(made.key.encode())).account.plan == "pro"


async def test_a_new_key_opens_at_once(house: House) -> None:
    await house.ring.refresh()
    key, key_id = await house.new_key()
    assert house.ring.find(key) is None
    assert (await house.ring.look_up(key)).key_id == key_id
    assert house.ring.find(key) is not None


async def test_an_unknown_key_costs_one_reading_a_second(house: House, clock: ManualClock) -> None:
    await house.ring.refresh()
    before = house.reader.readings
    for _ in range(5):
        with pytest.raises(InvalidApiKey, match="unknown or revoked"):
            await house.ring.look_up(unknown_key(1))
    assert house.reader.readings == before + 1
    clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidApiKey):
        await house.ring.look_up(unknown_key(1))
    assert house.reader.readings == before + 2


async def test_unknown_keys_by_the_hundred_share_their_readings(house: House) -> None:
    await house.ring.refresh()
    before = house.reader.readings
    house.reader.gate.clear()
    asked = [asyncio.create_task(house.ring.look_up(unknown_key(number))) for number in range(200)]
    await asyncio.sleep(0.05)
    house.reader.gate.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {InvalidApiKey}
    assert house.reader.readings <= before + 2


async def test_a_key_made_while_a_reading_runs_is_not_missed(house: House) -> None:
    """A caller during a reading waits for the next one: the present one may have begun too early."""
    await house.ring.refresh()
    house.reader.gate.clear()
    early = asyncio.create_task(house.ring.look_up(unknown_key(1)))
    await asyncio.sleep(0.02)
    key, key_id = await house.new_key()
    late = asyncio.create_task(house.ring.look_up(key))
    await asyncio.sleep(0.02)
    house.reader.gate.set()
    assert (await late).key_id == key_id
    with pytest.raises(InvalidApiKey):
        await early


async def test_malformed_keys_never_reach_the_database(house: House) -> None:
    for presented in (b"", b"x" * 100_000, b"thk_live_short", b"thk_live_" + b"!" * 32):
        assert house.ring.find(presented) is None
        with pytest.raises(InvalidApiKey, match=r"(?i)malformed"):
            await house.ring.look_up(presented)
    assert house.reader.readings == 0


async def test_the_memory_of_unknown_keys_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_MOST_UNKNOWN", 50)
    asked = [house.ring.look_up(unknown_key(number)) for number in range(200)]
    await asyncio.gather(*asked, return_exceptions=True)
    assert len(house.ring._unknown) <= 50


async def test_a_revoked_key_is_refused_after_a_reading(house: House) -> None:
    key, key_id = await house.new_key()
    other, _ = await house.new_key()
    await house.ring.refresh()
    await house.revoke(key_id)
    await house.ring.refresh()
    assert house.ring.find(key) is None
    assert house.ring.find(other) is not None
    with pytest.raises(InvalidApiKey, match="unknown or revoked"):
        await house.ring.look_up(key)


async def test_a_revocation_is_seen_within_a_second_though_nobody_tells(house: House) -> None:
    key, key_id = await house.new_key()
    keeping = asyncio.create_task(house.ring.run())
    await house.ring.look_up(key)
    await house.revoke(key_id)
    await until(lambda: house.ring.find(key) is None)
    assert ring_module._POLL_SECONDS <= 0.5
    keeping.cancel()


async def test_a_nudge_is_followed_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_POLL_SECONDS", 3600)
    keeping = asyncio.create_task(house.ring.run())
    key, _ = await house.new_key()
    await asyncio.sleep(0.1)
    other, _ = await house.new_key()
    house.ring.refresh_soon()
    await until(lambda: house.ring.find(key) is not None and house.ring.find(other) is not None)
    keeping.cancel()


async def test_while_the_database_is_away_known_keys_stay_and_unknown_ones_are_not_called_invalid(
    house: House,
) -> None:
    key, _ = await house.new_key()
    await house.ring.refresh()
    house.reader.error = ConnectionRefusedError("away")
    keeping = asyncio.create_task(house.ring.run())
    with pytest.raises(Unavailable) as caught:
        await house.ring.look_up(unknown_key(1))
    assert caught.value.retry_after == 1
    assert house.ring.find(key) is not None
    house.reader.error = None
    with pytest.raises(InvalidApiKey):
        await house.ring.look_up(unknown_key(1))
    assert not keeping.done()
    keeping.cancel()


async def test_a_database_that_does_not_answer_is_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.reader.gate.clear()
    with monkeypatch.context() as impatient:
        impatient.setattr(ring_module, "_ASK_SECONDS", 0.05)
        with pytest.raises(Unavailable):
            await house.ring.look_up(unknown_key(1))
    house.reader.gate.set()
    with pytest.raises(InvalidApiKey):
        await house.ring.look_up(unknown_key(1))


async def test_a_caller_who_hangs_up_does_not_take_the_others_along(house: House) -> None:
    house.reader.gate.clear()
    first, second = (asyncio.create_task(house.ring.look_up(unknown_key(number))) for number in range(2))
    await asyncio.sleep(0.02)
    first.cancel()
    await asyncio.sleep(0)
    house.reader.gate.set()
    with pytest.raises(InvalidApiKey):
        await second


async def test_the_ring_is_read_page_by_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_PAGE", 3)
    keys = [(await house.new_key())[0] for _ in range(8)]
    await house.ring.refresh()
    assert len(house.ring) == 8
    assert all(house.ring.find(key) for key in keys)


async def test_a_change_that_commits_late_is_not_missed(house: House, database_url: str) -> None:
    """Two keys are made at once; the one that began first commits last."""
    await house.ring.refresh()
    other = await asyncpg.connect(database_url)
    slow = other.transaction()
    await slow.start()
    made = make_key(house.world.entropy)
    await store.add_key(other, house.world, house.derived, account_id=house.account_id, key=made, rules=KeyRules())
    fast = asyncio.create_task(house.new_key())
    await asyncio.sleep(0.05)
    await house.ring.refresh()
    await slow.commit()
    key, _ = await fast
    await house.ring.refresh()
    assert house.ring.find(made.key.encode()) is not None
    assert house.ring.find(key) is not None
    await other.close()
