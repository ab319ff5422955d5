"""The documents of accounts: amounts as decimal strings, times to the second, ids as they are shown."""

from dataclasses import replace
from datetime import UTC, date, datetime
from ipaddress import ip_network

from tokenharbor.accounts.documents import (
    account_document,
    balance_document,
    credit_document,
    key_document,
    provider_health_document,
    usage_document,
)
from tokenharbor.accounts.providers import ProviderHealth
from tokenharbor.accounts.usage import DailyUsage
from tokenharbor.identity.store import Account, KeyRow, KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.types import Balance, Credit, Pool

ID = UUID(int=1)
AT = datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=UTC)
SHOWN = "2026-03-01T12:00:00Z"
EMPTY = {pool.value: "0.000000000" for pool in Pool}


def test_a_balance_names_every_pool() -> None:
    document = balance_document(Balance(Usd(3), Usd(2), ZERO, {Pool.PROMO: Usd(5)}))
    pools = EMPTY | {"promo": "0.000000005"}
    assert document == {"balance_usd": "0.000000003", "held_usd": "0.000000002", "pools": pools}


def test_an_account_and_a_credit_have_their_ids_and_times() -> None:
    account = account_document(Account(ID, AT, "", "eu", "e", ("a@b.c",)))
    shown = ids.show("acct", ID)
    assert account == {"id": shown, "created_at": SHOWN, "edition": "e", "region": "eu", "emails": ["a@b.c"]}
    credit = credit_document(Credit(ID, ID, ID, Pool.PAID, "operator", Usd(5), AT, "x", expires_at=AT))
    entry = ids.show("ent", ID)
    assert credit == {"id": entry, "account": shown, "usd": "0.000000005", "pool": "paid", "expires_at": SHOWN}


def test_a_key_is_shown_without_itself() -> None:
    bare = KeyRow(ID, ID, "abcd", "wxyz", KeyRules("ci"), AT, None)
    rules = KeyRules("ci", ("m",), ("p",), ("q",), (ip_network("192.0.2.0/24"),), Usd(1), Usd(2), Usd(3), AT)
    unlimited = {"quota_usd": None, "daily_usd": None, "monthly_usd": None, "expires_at": None, "revoked_at": None}
    nothing: dict[str, list[str]] = {"models": [], "providers": [], "deny_providers": [], "ip": []}
    known = {"id": ids.show("key", ID), "key": "thk_live_abcd…wxyz", "name": "ci", "created_at": SHOWN}
    assert key_document(bare) == known | nothing | unlimited
    assert key_document(replace(bare, rules=rules, revoked_at=AT)) == known | {
        "models": ["m"],
        "providers": ["p"],
        "deny_providers": ["q"],
        "ip": ["192.0.2.0/24"],
        "quota_usd": "0.000000001",
        "daily_usd": "0.000000002",
        "monthly_usd": "0.000000003",
        "expires_at": SHOWN,
        "revoked_at": SHOWN,
    }


def test_usage_and_health_are_counts_and_amounts() -> None:
    used = usage_document(DailyUsage(date(2026, 3, 1), "m", "p", 1, 2, 3, 4, 5, Usd(6)))
    counts = {"requests": 1, "input": 2, "cache_read": 3, "cache_write": 4, "output": 5}
    assert used == {"day": "2026-03-01", "model": "m", "provider": "p", **counts, "cost_usd": "0.000000006"}
    health = ProviderHealth("p", 3, 1, 9, AT, None, {"server": 2}, {}, ZERO, Usd(7))
    assert provider_health_document(health) == {
        "provider": "p",
        "attempts": 3,
        "ok": 1,
        "failed": 2,
        "median_ms": 9,
        "last_ok_at": SHOWN,
        "last_failed_at": None,
        "failures": {"server": 2},
        "alarms": {},
        "lost_usd": {"unbilled": "0.000000007"},
    }
