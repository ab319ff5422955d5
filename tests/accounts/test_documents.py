"""The documents of accounts: amounts as decimal strings, times to the second, ids with prefixes."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

from tokenharbor.accounts.credit_documents import BalanceDocument, CreditDocument
from tokenharbor.accounts.documents import (
    AccountDocument,
    KeyDocument,
    LimitsDocument,
    ProviderHealthDocument,
)
from tokenharbor.accounts.providers import ProviderHealth
from tokenharbor.accounts.usage_documents import UsageDocument
from tokenharbor.catalog.types import ProviderQuota
from tokenharbor.editions.load import load_edition
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.limits import account_limits, plan_limits
from tokenharbor.identity.store import Account, AccountLimits, KeyRow, KeyRules, OwnBudgets
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.rollup import UsageTotal
from tokenharbor.ledger.types import Balance, Credit, Pool

ID = UUID(int=1)
AT = datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=UTC)
SHOWN = "2026-03-01T12:00:00Z"
RATES = StatedRates(4, 5, None)
EMPTY = {pool.value: "0.000000000" for pool in Pool}


def test_a_balance_names_every_pool() -> None:
    document = plain_document(BalanceDocument.of(Balance(Usd(3), Usd(2), Usd(7), {Pool.PROMO: Usd(5)})))
    pools = EMPTY | {"promo": "0.000000005"}
    amounts = {"balance_usd": "0.000000003", "held_usd": "0.000000002", "debt_usd": "0.000000007"}
    assert document == amounts | {"pools": pools}


def test_an_account_and_a_credit_have_their_ids_and_times() -> None:
    account = plain_document(
        AccountDocument.of(Account(ID, AT, "", "eu", "e", ("a@b.c",), budgets=OwnBudgets(None, Usd(7))))
    )
    shown = ids.show("acct", ID)
    rates = dict.fromkeys(("rpm", "tpm", "concurrency", "key_rpm", "key_tpm", "key_concurrency"))
    limits = {**rates, "daily_usd": None, "monthly_usd": None}
    budgets = {"daily_budget_usd": None, "monthly_budget_usd": "0.000000007"}
    known = {"id": shown, "created_at": SHOWN, "name": "", "edition": "e", "region": "eu", "emails": ["a@b.c"]}
    assert account == known | {"plan": None, "limits": limits, "free_models": False, **budgets}
    granted = Credit(ID, ID, ID, Pool.PAID, "operator", Usd(5), AT, "x", expires_at=AT)
    credit = plain_document(CreditDocument.of(granted))
    entry = ids.show("ent", ID)
    assert credit == {"id": entry, "account": shown, "usd": "0.000000005", "pool": "paid", "expires_at": SHOWN}


def test_a_key_is_shown_without_itself() -> None:
    bare = KeyRow(ID, ID, "abcd", "wxyz", KeyRules("ci"), AT, None)
    rules = KeyRules("ci", ("m",), ("p",), ("q",), (ip_network("192.0.2.0/24"),), Usd(1), Usd(2), Usd(3), AT, RATES)
    limits = ("quota_usd", "daily_usd", "monthly_usd", "rpm", "tpm", "concurrency")
    unlimited = dict.fromkeys((*limits, "expires_at", "revoked_at"))
    nothing: dict[str, list[str]] = {"models": [], "providers": [], "deny_providers": [], "ip": []}
    known = {"id": ids.show("key", ID), "key": "thk_live_abcd…wxyz", "name": "ci", "label": "", "created_at": SHOWN}
    assert plain_document(KeyDocument.of(bare)) == known | nothing | unlimited
    assert plain_document(KeyDocument.of(replace(bare, rules=rules, revoked_at=AT))) == known | {
        "models": ["m"],
        "providers": ["p"],
        "deny_providers": ["q"],
        "ip": ["192.0.2.0/24"],
        "quota_usd": "0.000000001",
        "daily_usd": "0.000000002",
        "monthly_usd": "0.000000003",
        "rpm": 4,
        "tpm": 5,
        "concurrency": None,
        "expires_at": SHOWN,
        "revoked_at": SHOWN,
    }


def test_limits_say_what_is_in_force_what_is_stated_and_whose_it_is() -> None:
    stated = AccountLimits(rates=StatedRates(rpm=0), key_rates=RATES, daily=Usd(9))
    account = Account(ID, AT, "", "eu", "e", (), "pro", stated)
    plan = plan_limits(load_edition("tokenhub"), "pro", ProviderQuota())
    document = plain_document(LimitsDocument.of(account, account_limits(stated.rates, stated.key_rates, plan)))
    assert document == {
        "id": ids.show("acct", ID),
        "rpm": {"limit": None, "stated": 0, "origin": None},
        "tpm": {"limit": None, "stated": None, "origin": None},
        "concurrency": {"limit": 200, "stated": None, "origin": "plan pro"},
        "key_rpm": {"limit": 4, "stated": 4, "origin": "the account"},
        "key_tpm": {"limit": 5, "stated": 5, "origin": "the account"},
        "key_concurrency": {"limit": None, "stated": None, "origin": None},
        "daily_usd": "0.000000009",
        "monthly_usd": None,
        "daily_budget_usd": None,
        "monthly_budget_usd": None,
    }


def test_usage_and_health_are_counts_and_amounts() -> None:
    usage = Usage(input=2, cache_read=3, cache_write_5m=1, cache_write_1h=3, output=4, reasoning=1)
    total = UsageTotal(
        start=AT.replace(hour=0, minute=0, second=0), key_id=ID, model="m", provider="p", requests=2, unbilled=1,
        cached=1, charge=Usd(6), fee=ZERO, vendor_cost=ZERO, over=ZERO, loss=ZERO, usage=usage,
        timed=2, first_ms=201, total_ms=1000, hung_up=1,
        saved_exact=Usd(5), saved_semantic=Usd(2), saved_vendor=Usd(-3),
    )  # fmt: skip
    counts = {"requests": 2, "unbilled": 1, "failed": 0, "hung_up": 1, "cached": 1, "cache_share_bp": 3333}
    times = {"mean_first_content_ms": 100, "mean_total_ms": 500}
    tokens = {"input": 2, "cache_read": 3, "cache_write": 4, "output": 5}
    day = f"{AT:%Y-%m-%d}"
    assert plain_document(UsageDocument.of(total, ["day", "model", "provider"])) == {
        "day": day, "model": "m", "provider": "p", **counts, **times, **tokens, "cost_usd": "0.000000006",
        "saved": {
            "total_usd": "0.000000004", "exact_usd": "0.000000005", "semantic_usd": "0.000000002",
            "vendor_usd": "-0.000000003",
        },
    }  # fmt: skip
    by = plain_document(UsageDocument.of(total, ["hour", "key"]))
    assert (by["hour"], by["key"], "model" in by) == (f"{day}T00:00:00Z", ids.show("key", ID), False)
    health = ProviderHealth("p", 3, 1, 9, AT, None, {"server": 2}, {}, ZERO, Usd(7))
    assert plain_document(ProviderHealthDocument.of(health)) == {
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
