"""Keys as use cases: issued with checked rules, listed without the secret, changed, revoked."""

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from tokenharbor.accounts import keys
from tokenharbor.accounts.keys import (
    KeyChange,
    change_key,
    delete_key,
    issue_key,
    list_keys,
    resolve_rules,
    revoke_key,
    rotate_key,
)
from tokenharbor.catalog.types import Catalog
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.keys import key_hasher
from tokenharbor.identity.store import Account, KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Conflict, Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import DerivedSecret, RootSecret, SecretPurpose
from tokenharbor.kernel.world import World


@pytest.fixture
def derived(root: RootSecret) -> DerivedSecret:
    return root.derive(SecretPurpose.KEY_HASHES)


async def test_a_key_is_issued_with_its_rules_and_stored_as_a_hash(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog
) -> None:
    rules = KeyRules("ci", ("demo/demo-chat", "demo-chat"), ("demo",), ("openai",), quota=Usd.parse("5"))
    issued = await issue_key(conn, world, derived, account_id=account.id, rules=rules, catalog=catalog)
    [listed] = await list_keys(conn, account.id)
    assert (listed.id, listed.account_id, listed.revoked_at) == (issued.id, account.id, None)
    assert listed.rules == resolve_rules(rules, catalog)
    assert listed.rules.models == ("demo-chat",), "under the name that the gateway compares, once"
    assert await conn.fetchval("select hash from api_key") == key_hasher(derived)(issued.key.encode())
    assert issued.key not in repr(issued)


@pytest.mark.parametrize(
    ("rules", "param", "near"),
    [
        (KeyRules(models=("demo-chat", "demo-chatt")), "models", "demo-chat"),
        (KeyRules(providers=("opnai",)), "providers", "openai"),
        (KeyRules(denied_providers=("opnai",)), "deny_providers", "openai"),
        (KeyRules(models=("zzzzzzzz",)), "models", "zzzzzzzz"),
    ],
)
async def test_rules_that_name_nothing_are_rejected_and_no_key_is_issued(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog,
    rules: KeyRules, param: str, near: str,
) -> None:  # fmt: skip
    with pytest.raises(Rejected, match=near) as rejected:
        await issue_key(conn, world, derived, account_id=account.id, rules=rules, catalog=catalog)
    assert rejected.value.param == param
    assert await list_keys(conn, account.id) == []


async def test_keys_are_of_an_account_that_is_there(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, catalog: Catalog
) -> None:
    nobody = world.ids.new()
    with pytest.raises(Missing, match=ids.show("acct", nobody)):
        await issue_key(conn, world, derived, account_id=nobody, rules=KeyRules(), catalog=catalog)
    with pytest.raises(Missing, match=ids.show("acct", nobody)):
        await list_keys(conn, nobody)


async def test_an_account_has_no_key_too_many_until_one_is_deleted(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(keys, "MOST", 3)

    async def issue() -> UUID:
        issued = await issue_key(conn, world, derived, account_id=account.id, rules=KeyRules(), catalog=catalog)
        return issued.id

    made = [await issue() for _ in range(3)]
    await revoke_key(conn, world, made[0])  # it is still listed
    for refused in (issue(), rotate_key(conn, world, derived, made[1], timedelta(0))):
        with pytest.raises(Conflict, match="delete some first"):
            await refused
    await delete_key(conn, world, made[0])
    await rotate_key(conn, world, derived, made[1], timedelta(0))


async def test_a_key_is_revoked_for_good(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog,
    clock: ManualClock,
) -> None:  # fmt: skip
    issued = await issue_key(conn, world, derived, account_id=account.id, rules=KeyRules(), catalog=catalog)
    first = await revoke_key(conn, world, issued.id)
    clock.advance(timedelta(hours=1))
    assert first == await revoke_key(conn, world, issued.id) == clock.now() - timedelta(hours=1)
    unknown = world.ids.new()
    with pytest.raises(Missing, match=ids.show("key", unknown)):
        await revoke_key(conn, world, unknown)


async def test_TH_A4_a_change_of_a_key_changes_what_it_names_and_nothing_else(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog
) -> None:
    rules = KeyRules("ci", ("demo-chat",), ("demo",), quota=Usd(9), rates=StatedRates(rpm=5, tpm=6))
    issued = await issue_key(conn, world, derived, account_id=account.id, rules=rules, catalog=catalog)
    await change_key(conn, issued.id, KeyChange(rpm=None, concurrency=3, daily=Usd(4)), catalog=catalog)
    expected = replace(rules, daily=Usd(4), rates=StatedRates(None, 6, 3))
    [listed] = await list_keys(conn, account.id)
    assert listed.rules == expected
    changed = await change_key(conn, issued.id, KeyChange(models=("demo/demo-reasoner",), quota=None), catalog=catalog)
    [listed] = await list_keys(conn, account.id)
    assert listed == changed
    assert listed.rules == replace(expected, models=("demo-reasoner",), quota=None)
    meter = await conn.fetchrow("SELECT quota, daily FROM key_meter WHERE key_id = $1", issued.id)
    assert tuple(meter) == (2**63 - 1, 4)


async def test_TH_A4_a_key_whose_model_is_no_longer_sold_can_be_changed(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog
) -> None:
    issued = await issue_key(conn, world, derived, account_id=account.id, rules=KeyRules(), catalog=catalog)
    await conn.execute("UPDATE api_key SET models = '{gone}'")
    assert (await change_key(conn, issued.id, KeyChange(rpm=1), catalog=catalog)).rules.models == ("gone",)
    with pytest.raises(Rejected, match="gone"):
        await change_key(conn, issued.id, KeyChange(models=("gone",)), catalog=catalog)


async def test_a_key_that_is_revoked_or_unknown_is_not_changed(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account: Account, catalog: Catalog
) -> None:
    issued = await issue_key(conn, world, derived, account_id=account.id, rules=KeyRules(), catalog=catalog)
    await revoke_key(conn, world, issued.id)
    with pytest.raises(Conflict, match=ids.show("key", issued.id)):
        await change_key(conn, issued.id, KeyChange(rpm=1), catalog=catalog)
    with pytest.raises(Missing):
        await change_key(conn, world.ids.new(), KeyChange(rpm=1), catalog=catalog)
