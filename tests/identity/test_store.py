"""Accounts and keys in the database: created as a whole or not at all, listed as their account sees them."""

from datetime import timedelta
from ipaddress import ip_network

import asyncpg
import pytest

from tokenharbor.identity import store
from tokenharbor.identity.credentials import read_credentials, set_credential
from tokenharbor.identity.keys import key_hasher, make_key
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Conflict, Misconfigured, Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import DerivedSecret, RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.world import World

RULES = KeyRules(
    name="laptop",
    models=("m1", "m2"),
    providers=("p",),
    denied_providers=("q",),
    networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
    quota=Usd.parse("5"),
    daily=Usd.parse("1"),
    monthly=Usd.parse("3.000000001"),
)


async def test_an_account_comes_with_user_membership_and_wallet(conn: asyncpg.Connection, world: World) -> None:
    made = await store.create_account(conn, world, "  Ada@Example.com ", "token-harbor")
    assert made.emails == ("ada@example.com",)
    assert await store.get_account(conn, made.id) == made
    assert [each async for each in store.list_accounts(conn)] == [made]
    role = await conn.fetchval("select role from membership where account_id = $1", made.id)
    wallets = await conn.fetchval("select count(*) from wallet where account_id = $1", made.id)
    assert (role, wallets) == ("owner", 1)


async def test_an_email_that_exists_is_refused_and_leaves_nothing(conn: asyncpg.Connection, world: World) -> None:
    made = await store.create_account(conn, world, "ada@example.com", "e")
    with pytest.raises(Conflict, match=r"ada@example\.com"):
        await store.create_account(conn, world, "ADA@example.com", "e")
    assert [each async for each in store.list_accounts(conn)] == [made]


@pytest.mark.parametrize("email", ["", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "a" * 65 + "@b.c"])
async def test_what_is_no_email_is_refused(conn: asyncpg.Connection, world: World, email: str) -> None:
    with pytest.raises(Rejected) as refused:
        await store.create_account(conn, world, email, "e")
    assert refused.value.param == "email"


async def test_accounts_are_listed_page_by_page_oldest_first(
    conn: asyncpg.Connection, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_PAGE", 2)
    made = [await store.create_account(conn, world, f"{n}@example.com", "e") for n in range(5)]
    assert [each async for each in store.list_accounts(conn)] == made


async def test_a_key_is_stored_as_a_hash_with_its_rules_and_meter(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret
) -> None:
    account = await store.create_account(conn, world, "ada@example.com", "e")
    made = make_key(world.entropy)
    key_id = await store.add_key(conn, world, derived, account_id=account.id, key=made, rules=RULES)
    [listed] = await store.list_keys(conn, account.id)
    assert (listed.id, listed.account_id, listed.rules, listed.revoked_at) == (key_id, account.id, RULES, None)
    assert (listed.first4, listed.last4) == (made.first4, made.last4)
    row = await conn.fetchrow("select * from api_key")
    assert (row["hash"], row["hash_key_id"]) == (key_hasher(derived)(made.key.encode()), derived.id)
    assert made.key not in str(dict(row))
    meter = await conn.fetchrow("select quota, daily, monthly from key_meter where key_id = $1", key_id)
    assert tuple(meter) == (RULES.quota, RULES.daily, RULES.monthly)


async def test_an_owner_leads_to_the_account(conn: asyncpg.Connection, world: World) -> None:
    made = await store.create_account(conn, world, "ada@example.com", "e")
    assert await store.account_of(conn, "Ada@example.com") == made.id
    assert await store.account_of(conn, "bob@example.com") is None


async def test_a_key_once_issued_is_remembered(conn: asyncpg.Connection, world: World, derived: DerivedSecret) -> None:
    account = await store.create_account(conn, world, "ada@example.com", "e")
    assert not await store.has_keys(conn)
    key_id = await _add_key(conn, world, derived, account.id)
    await store.revoke_key(conn, key_id, world.clock.now())
    assert await store.has_keys(conn)


async def test_a_key_needs_an_account(conn: asyncpg.Connection, world: World, derived: DerivedSecret) -> None:
    with pytest.raises(Missing, match="account"):
        await _add_key(conn, world, derived, world.ids.new())


async def test_a_key_is_revoked_once_and_the_first_time_stands(
    conn: asyncpg.Connection, world: World, clock: ManualClock, derived: DerivedSecret
) -> None:
    account = await store.create_account(conn, world, "ada@example.com", "e")
    key_id = await _add_key(conn, world, derived, account.id)
    first = clock.now()
    assert await store.revoke_key(conn, key_id, first) == first
    clock.advance(timedelta(hours=1))
    assert await store.revoke_key(conn, key_id, clock.now()) == first
    with pytest.raises(Missing, match="API key"):
        await store.revoke_key(conn, world.ids.new(), clock.now())


async def test_a_credential_lies_sealed_and_is_replaced(conn: asyncpg.Connection, world: World) -> None:
    root = RootSecret("of-the-tests-" * 4)
    seal = SecretBox(root.derive(SecretPurpose.CREDENTIALS), world.entropy)
    for secret in ("sk-first-secret", "sk-second-secret"):
        await set_credential(conn, seal, "acme", secret, world.clock.now())
    assert await read_credentials(conn, seal) == {"acme": "sk-second-secret"}
    assert b"secret" not in await conn.fetchval("select sealed from credential")


async def test_a_credential_opens_for_its_own_provider_and_root_only(conn: asyncpg.Connection, world: World) -> None:
    seal = SecretBox(RootSecret("of-the-tests-" * 4).derive(SecretPurpose.CREDENTIALS), world.entropy)
    other = SecretBox(RootSecret("another-root-" * 4).derive(SecretPurpose.CREDENTIALS), world.entropy)
    await set_credential(conn, seal, "acme", "sk-secret", world.clock.now())
    with pytest.raises(Misconfigured, match="acme"):
        await read_credentials(conn, other)
    await conn.execute("update credential set provider = 'evil'")
    with pytest.raises(Misconfigured, match="decrypt"):
        await read_credentials(conn, seal)


async def _add_key(conn: asyncpg.Connection, world: World, derived: DerivedSecret, account_id: UUID) -> UUID:
    key = make_key(world.entropy)
    return await store.add_key(conn, world, derived, account_id=account_id, key=key, rules=KeyRules())
