"""The rate limits in force of a key and its account, from the key, account, plan and edition.

A key has its own limit and a ceiling: the limit that the account states for each of its keys, else the plan's, else the
edition's. The lower of the two is in force. An account has the limit that its own row states, else its plan's, else the
lower of the edition's limit and the edition's share of the providers' quotas. So an operator can raise one account
above its plan, and no key exceeds its ceiling.
"""

from collections.abc import Sequence

import msgspec

from tokenharbor.catalog.types import ProviderQuota
from tokenharbor.editions.policy import Policy, RatePolicy
from tokenharbor.identity.caller import Caller, StatedRates
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer, RateLimits

_BP = 10_000

_Rate = tuple[int | None, str]
"""A limit (None: no limit) and its origin."""


class PlanLimits(msgspec.Struct, frozen=True):
    """The rate limits of an account and of each of its keys. A plan's apply if the account's row states none."""

    key: RateLimits
    account: RateLimits


def plan_limits(policy: Policy, plan: str, quota: ProviderQuota) -> PlanLimits:
    """Return the limits of a plan, named as an account's row states it. `quota` is the sum of the providers' quotas."""
    stated = policy.plan(plan)
    if stated is not None:
        origin = f"plan {policy.plan_name(plan)}"
        return PlanLimits(_limits(_key_rates(stated), origin), _limits(_account_rates(stated), origin))
    limits, origin = policy.limits, f"edition {policy.name}"
    share = _share(quota, limits.account_quota_share_bp)
    account = _narrower(_limits(_account_rates(limits), origin), _limits(share, "the providers' quotas"))
    return PlanLimits(_limits(_key_rates(limits), origin), account)


def account_limits(rates: StatedRates, key_rates: StatedRates, plan: PlanLimits) -> PlanLimits:
    """Return the limits of an account whose row states these rates; `plan` has its plan's limits."""
    return PlanLimits(_stated_or(key_rates, plan.key), _stated_or(rates, plan.account))


def limited_payer(caller: Caller, plan: PlanLimits) -> Payer:
    """Return the caller's payer with the limits in force; `plan` has the limits of its account's plan."""
    limits = account_limits(caller.account.rates, caller.account.key_rates, plan)
    own = _narrower(_limits(caller.rates, "the key"), limits.key)
    return Payer(caller.account_id, caller.key_id, key_limits=own, account_limits=limits.account)


def free_requests(policy: Policy, caller: Caller) -> int:
    """Return how many requests to free models the caller's account has per window."""
    return free_requests_of(policy, caller.account.topped_up)


def free_requests_of(policy: Policy, topped_up: Usd) -> int:
    """Return how many requests to free models an account has per window, by its net top-ups."""
    has_topped_up = topped_up >= policy.topups.smallest_pack
    return policy.free.topped_up_requests if has_topped_up else policy.free.requests


def _key_rates(policy: RatePolicy) -> StatedRates:
    return StatedRates(policy.key_rpm, policy.key_tpm, policy.key_concurrency)


def _account_rates(policy: RatePolicy) -> StatedRates:
    return StatedRates(policy.account_rpm, policy.account_tpm, policy.account_concurrency)


def _share(quota: ProviderQuota, share_bp: int) -> StatedRates:
    """Return the share of each quota, at least 1 if there is a quota."""
    parts = [max(1, each * share_bp // _BP) if each and share_bp else None for each in _three(quota)]
    return StatedRates(*parts)


def _limits(stated: StatedRates, origin: str) -> RateLimits:
    return _rate_limits([(limit or None, origin) for limit in _three(stated)])


def _stated_or(stated: StatedRates, otherwise: RateLimits) -> RateLimits:
    """Return the limits that the account states, else the others."""
    own = [(None if limit is None else (limit or None, "the account")) for limit in _three(stated)]
    return _rate_limits([one or other for one, other in zip(own, _with_origins(otherwise), strict=True)])


def _narrower(limits: RateLimits, others: RateLimits) -> RateLimits:
    """Return the lower limit of each pair; the first of equal ones."""
    pairs = zip(_with_origins(limits), _with_origins(others), strict=True)
    return _rate_limits([min(pair, key=lambda rate: (rate[0] is None, rate[0] or 0)) for pair in pairs])


def _rate_limits(rates: Sequence[_Rate]) -> RateLimits:
    (rpm, tpm, concurrency), (first, second, third) = zip(*[(n, of if n else "") for n, of in rates], strict=True)
    return RateLimits(rpm, tpm, concurrency, origins=(first, second, third))


def _with_origins(limits: RateLimits) -> Sequence[_Rate]:
    return list(zip(_three(limits), limits.origins, strict=True))


def _three(rates: StatedRates | RateLimits | ProviderQuota) -> tuple[int | None, int | None, int | None]:
    return rates.rpm, rates.tpm, rates.concurrency
