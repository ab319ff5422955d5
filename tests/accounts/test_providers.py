"""Providers as use cases: credentials that fit the provider's authentication, and health."""

from datetime import timedelta

import asyncpg
import pytest
from tests.accounts.conftest import START
from tests.accounts.requests import write_entry, write_request

from tokenharbor.accounts.providers import (
    LONGEST_CREDENTIAL,
    ProviderHealth,
    get_provider,
    read_provider_health,
    store_credential,
)
from tokenharbor.billing.detail import Attempt
from tokenharbor.catalog.types import Catalog
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.identity.store import Account
from tokenharbor.kernel.errors import Missing, Rejected
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.world import World


@pytest.fixture
def seal(root: RootSecret, world: World) -> SecretBox:
    return SecretBox(root.derive(SecretPurpose.CREDENTIALS), world.entropy)


async def test_a_credential_is_stored_for_its_provider(
    conn: asyncpg.Connection, world: World, seal: SecretBox, catalog: Catalog
) -> None:
    for name, credential in (("openai", "x" * LONGEST_CREDENTIAL), ("aws", "AKIDEXAMPLE:secret")):
        provider = get_provider(catalog, name)
        assert await store_credential(conn, world, seal, provider=provider, credential=credential) == START
    assert await read_credentials(conn, seal) == {"openai": "x" * LONGEST_CREDENTIAL, "aws": "AKIDEXAMPLE:secret"}


def test_a_provider_is_one_that_is_known(catalog: Catalog) -> None:
    with pytest.raises(Missing, match="'openai'"):
        get_provider(catalog, "opnai")


@pytest.mark.parametrize(
    ("provider", "credential"),
    [
        ("openai", ""),
        ("openai", "two words"),
        ("openai", "two\nlines"),
        ("openai", "ümlaut"),
        ("openai", "x" * (LONGEST_CREDENTIAL + 1)),
        ("aws", "AKIDEXAMPLE"),  # its signer needs two parts
    ],
)
async def test_what_is_no_credential_is_rejected_and_not_repeated(
    conn: asyncpg.Connection, world: World, seal: SecretBox, catalog: Catalog, provider: str, credential: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await store_credential(conn, world, seal, provider=get_provider(catalog, provider), credential=credential)
    assert rejected.value.param == "credential"
    assert not credential or credential not in str(rejected.value)
    assert await read_credentials(conn, seal) == {}


async def test_how_providers_fare(conn: asyncpg.Connection, world: World, account: Account) -> None:
    failed = Attempt("p", "m", "rate_limit", 20, 429)
    rounds = [
        (START, (failed, Attempt("gone", "m", "ok", 300))),
        (START, (failed, Attempt("p", "m", "hung_up", 5))),
        (START - timedelta(minutes=5), (Attempt("p", "m", "ok", 100),)),
        (START - timedelta(hours=2), (Attempt("p", "m", "server", 9, 500),)),
    ]
    for at, attempts in rounds:
        await write_request(conn, world.ids.new(), account.id, at=at, attempts=attempts)
    losses = ({"over": 10}, {"over": 20, "seq": 2}, {"type": "loss", "vendor_cost": 500, "seq": 3}, {"seq": 4})
    for columns in losses:
        await write_entry(conn, world.ids.new(), account.id, at=START, provider="p", **columns)
    gone, idle, fared = await read_provider_health(conn, ["p", "idle"], since=START - timedelta(hours=1))
    assert fared == ProviderHealth(
        provider="p",
        attempts=4,
        ok=1,
        median_ms=100,
        last_ok_at=START - timedelta(minutes=5),
        last_failed_at=START,
        failures={"rate_limit": 2},
        alarms={"usage_missing": 2},
        overrun=Usd(30),
        unbilled=Usd(500),
    )
    assert fared.failed == 2, "who hung up before an answer is neither served nor failed"
    assert (gone.provider, gone.ok, gone.failed, gone.median_ms) == ("gone", 1, 0, 300), "also one not in the catalogue"
    assert idle == ProviderHealth("idle", 0, 0, None, None, None, {}, {}, ZERO, ZERO)
