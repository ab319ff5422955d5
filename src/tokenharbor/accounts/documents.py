"""The JSON documents of accounts: one shape of each thing for commands, paths and pages.

Amounts are decimal strings of USD with nine places, times UTC to the second, ids as they are shown.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from tokenharbor.accounts.providers import ProviderHealth
from tokenharbor.editions.policy import PlanPolicy, Policy
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.changes import AccountChange
from tokenharbor.identity.keys import PREFIX
from tokenharbor.identity.limits import PlanLimits
from tokenharbor.identity.store import Account, KeyRow
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import RateLimits
from tokenharbor.ledger.rollup import UsageDimension, UsageTotal
from tokenharbor.ledger.types import Balance, Credit, Pool


def account_document(account: Account) -> dict[str, Any]:
    return {
        "id": ids.show("acct", account.id),
        "created_at": show_time(account.created_at),
        "edition": account.edition,
        "region": account.region,
        "emails": list(account.emails),
        "plan": account.plan or None,
        "limits": {**_rates(account.limits.rates), **_rates(account.limits.key_rates, "key_"), **_budgets(account)},
        "free_models": account.free_models,
    }


def account_terms_document(account: Account, policy: Policy) -> dict[str, Any]:
    """An account, and the terms of the plan that it has; None: of no plan."""
    plan = policy.plan(account.plan)
    terms = None if plan is None else plan_document(policy.plan_name(account.plan), plan)
    return {**account_document(account), "terms": terms}


def plan_document(name: str, plan: PlanPolicy) -> dict[str, Any]:
    """A plan's terms: what an account that has it may do and pays, and words for people."""
    return {"plan": name, **msgspec.to_builtins(plan)}


def limits_document(account: Account, limits: PlanLimits) -> dict[str, Any]:
    """Each rate as it is in force, what the account's row states of it, and whose it is; and the account's budgets."""
    stated, ceiling = account.limits.rates, account.limits.key_rates
    return {
        "id": ids.show("acct", account.id),
        **_in_force(limits.account, stated, ""),
        **_in_force(limits.key, ceiling, "key_"),
        **_budgets(account),
    }


def change_document(change: AccountChange) -> dict[str, Any]:
    """`before` and `after` as text; "" is not stated."""
    return {
        "at": show_time(change.at),
        "actor": change.actor,
        "field": change.field,
        "before": change.before,
        "after": change.after,
        "wording": change.wording,
    }


def balance_document(balance: Balance) -> dict[str, Any]:
    """Every pool is named."""
    return {
        "balance_usd": str(balance.available),
        "held_usd": str(balance.held),
        "pools": {pool.value: str(balance.pools.get(pool, ZERO)) for pool in Pool},
    }


def credit_document(credit: Credit) -> dict[str, Any]:
    return {
        "id": ids.show("ent", credit.entry_id),
        "account": ids.show("acct", credit.account_id),
        "usd": str(credit.amount),
        "pool": credit.pool.value,
        "expires_at": show_time(credit.expires_at),
    }


def key_document(row: KeyRow) -> dict[str, Any]:
    """A key without itself."""
    rules = row.rules
    return {
        "id": ids.show("key", row.id),
        "key": f"{PREFIX}{row.first4}…{row.last4}",
        "name": rules.name,
        "models": list(rules.models),
        "providers": list(rules.providers),
        "deny_providers": list(rules.denied_providers),
        "ip": [str(network) for network in rules.networks],
        "quota_usd": _usd(rules.quota),
        "daily_usd": _usd(rules.daily),
        "monthly_usd": _usd(rules.monthly),
        **_rates(rules.rates),
        "created_at": show_time(row.created_at),
        "expires_at": show_time(rules.expires_at),
        "revoked_at": show_time(row.revoked_at),
    }


def usage_document(total: UsageTotal, by: Collection[UsageDimension]) -> dict[str, Any]:
    """What the total is divided by comes first."""
    used, start = total.usage, total.start
    divided = {
        "hour": show_time(start),
        "day": None if start is None else start.date().isoformat(),
        "key": None if total.key_id is None else ids.show("key", total.key_id),
        "model": total.model,
        "provider": total.provider,
    }
    return {
        **{name: divided[name] for name in divided if name in by},
        "requests": total.requests,
        "unbilled": total.unbilled,
        "cached": total.cached,
        "cache_share_bp": total.cache_share_bp,
        "input": used.input,
        "cache_read": used.cache_read,
        "cache_write": used.cache_write_5m + used.cache_write_1h,
        "output": used.output + used.reasoning,
        "cost_usd": str(total.charge),
    }


def provider_health_document(health: ProviderHealth) -> dict[str, Any]:
    """`lost_usd` has what was lost at all."""
    losses = {"overrun": health.overrun, "unbilled": health.unbilled}
    return {
        "provider": health.provider,
        "attempts": health.attempts,
        "ok": health.ok,
        "failed": health.failed,
        "median_ms": health.median_ms,
        "last_ok_at": show_time(health.last_ok_at),
        "last_failed_at": show_time(health.last_failed_at),
        "failures": health.failures,
        "alarms": health.alarms,
        "lost_usd": {kind: str(amount) for kind, amount in losses.items() if amount},
    }


def _rates(rates: StatedRates, prefix: str = "") -> dict[str, int | None]:
    return {f"{prefix}{name}": getattr(rates, name) for name in StatedRates.__struct_fields__}


def _budgets(account: Account) -> dict[str, str | None]:
    return {"daily_usd": _usd(account.limits.daily), "monthly_usd": _usd(account.limits.monthly)}


def _in_force(limits: RateLimits, stated: StatedRates, prefix: str) -> dict[str, dict[str, Any]]:
    return {
        f"{prefix}{name}": {"limit": getattr(limits, name), "stated": getattr(stated, name), "origin": origin or None}
        for name, origin in zip(StatedRates.__struct_fields__, limits.origins, strict=True)
    }


def _usd(amount: Usd | None) -> str | None:
    return None if amount is None else str(amount)
