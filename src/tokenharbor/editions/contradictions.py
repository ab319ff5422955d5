"""Contradictions between the fields of an edition that are each valid."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from tokenharbor.editions.policy import Sections
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.tables import did_you_mean

_CNY = "CNY"
_ALL = 10_000  # basis points


class Contradiction(NamedTuple):
    """A field that contradicts others."""

    section: str
    field: str
    message: str


Found = Iterator[Contradiction]


def find_contradictions(stated: Sections) -> Sequence[Contradiction]:
    """Return all contradictions of an edition."""
    return [each for check in _CHECKS for each in check(stated)]


def _of_price(stated: Sections) -> Found:
    tiers = stated.price.volume_tiers
    rises = all(low.threshold < high.threshold and low.discount_bp < high.discount_bp for low, high in pairwise(tiers))
    if not rises:
        yield Contradiction("price", "volume_tiers", "from_usd and discount_bp must rise from each tier to the next")
    if tiers and tiers[0].threshold == ZERO:
        yield Contradiction(
            "price", "volume_tiers", 'from_usd of the first must be above "0"; below it discount_bp holds'
        )


def _of_free(stated: Sections) -> Found:
    if stated.free.topped_up_requests < stated.free.requests:
        yield Contradiction("free", "topped_up_requests", "must be no fewer than requests")


def _of_topups(stated: Sections) -> Found:
    topups = stated.topups
    if topups.minimum == ZERO:
        yield Contradiction("topups", "min_usd", 'must be above "0"')
    if topups.minimum > topups.maximum:
        yield Contradiction("topups", "min_usd", f"must be no more than max_usd, {topups.max_usd}")
    for pack in topups.packs_usd:
        if not topups.minimum <= Usd.parse(pack) <= topups.maximum:
            yield Contradiction("topups", "packs_usd", f"{pack} is not within min_usd and max_usd")
    if not all(low < high for low, high in pairwise(topups.packs)):
        yield Contradiction("topups", "packs_usd", "must rise from each to the next")
    if not topups.packs and not topups.custom:
        yield Contradiction("topups", "packs_usd", "no amount can be paid: set packs, or custom = true")
    for field in ("currencies", "processors", "methods"):
        if not getattr(topups, field):
            yield Contradiction("topups", field, "must have at least one entry")


def _of_cny_rates(stated: Sections) -> Found:
    topups = stated.topups
    if (_CNY in topups.currencies) != (topups.cny_rate_minutes > 0):
        yield Contradiction("topups", "cny_rate_minutes", f"must be above 0 if currencies has {_CNY}, otherwise 0")
    least, most = (Decimal(each) for each in (topups.cny_rate_least, topups.cny_rate_most))
    if (_CNY in topups.currencies) != (least > 0):
        yield Contradiction("topups", "cny_rate_least", f"must be above 0 if currencies has {_CNY}, otherwise 0")
    if most < least or (least == 0) != (most == 0):
        yield Contradiction("topups", "cny_rate_most", "must be no less than cny_rate_least; 0 if that is 0")


def _of_grants(stated: Sections) -> Found:
    grants = stated.grants
    if grants.welcome > ZERO and not grants.welcome_days:
        yield Contradiction("grants", "welcome_days", "the grant would expire at once")
    if grants.daily > ZERO and not grants.daily_days:
        yield Contradiction("grants", "daily_days", "the grant would expire at once")


def _of_match(stated: Sections) -> Found:
    match = stated.match
    if match.share_bp and match.maximum == ZERO:
        yield Contradiction("match", "share_bp", 'must be 0 because max_usd is "0", so there is no match')
    if match.maximum > ZERO and not match.share_bp:
        yield Contradiction("match", "max_usd", 'must be "0" because share_bp is 0, so there is no match')
    if match.share_bp and not match.within_days:
        yield Contradiction("match", "within_days", "must be above 0 where there is a match")


def _of_referral(stated: Sections) -> Found:
    if stated.referral.unpaid_referrals and stated.referral.reward == ZERO:
        yield Contradiction(
            "referral", "unpaid_referrals", 'must be 0 because reward_usd is "0", so there is no referral reward'
        )


def _of_cashback(stated: Sections) -> Found:
    cashback = stated.cashback
    if cashback.max_bp < cashback.base_bp:
        yield Contradiction("cashback", "max_bp", f"must be no less than base_bp, {cashback.base_bp}")
    for field, most in (("max_bp", cashback.max_bp), ("chat_tiers", max(cashback.chat_tiers.values(), default=0))):
        if most >= _ALL:
            yield Contradiction("cashback", field, f"must be at most {_ALL - 1}: more would give back all spending")
    if not cashback.max_bp and cashback.step_bp:
        yield Contradiction("cashback", "step_bp", "must be 0 because max_bp is 0, so there is no cashback")
    if cashback.pays and cashback.day == ZERO:
        yield Contradiction("cashback", "day_usd", 'must be above "0" where there is cashback')
    if not cashback.pays and cashback.trial_life > ZERO:
        yield Contradiction("cashback", "trial_life_usd", 'must be "0" because there is no cashback')


def _of_incentives(stated: Sections) -> Found:
    """Check that each incentive fits below the lifetime cap."""
    life = stated.incentives.life
    amounts = (
        ("grants", "welcome_usd", stated.grants.welcome),
        ("grants", "daily_usd", stated.grants.daily),
        ("match", "max_usd", stated.match.maximum),
        ("referral", "reward_usd", stated.referral.reward),
    )
    for section, field, amount in amounts:
        if amount > life:
            yield Contradiction(section, field, f"is above [incentives] life_usd, {stated.incentives.life_usd}")
    if life == ZERO and (stated.grants.codes or stated.cashback.pays):
        yield Contradiction(
            "incentives", "life_usd", 'must be above "0" because codes are accepted or cashback is paid'
        )


def _of_refunds(stated: Sections) -> Found:
    if stated.refunds.customer and not stated.refunds.days:
        yield Contradiction("refunds", "days", "must be above 0 because customers may request refunds")


def _of_withdrawals(stated: Sections) -> Found:
    withdrawals = stated.withdrawals
    if withdrawals.enabled and withdrawals.minimum == ZERO:
        yield Contradiction("withdrawals", "min_usd", 'must be above "0" where withdrawals are enabled')
    if withdrawals.minimum > withdrawals.day:
        yield Contradiction("withdrawals", "min_usd", f"must be no more than day_usd, {withdrawals.day_usd}")


def _of_auto_topup(stated: Sections) -> Found:
    auto, topups = stated.auto_topup, stated.topups
    least = topups.minimum if topups.custom else topups.smallest_pack
    if auto.enabled and auto.month < least:
        yield Contradiction("auto_topup", "month_usd", "is less than the smallest top-up")


def _of_orchestra(stated: Sections) -> Found:
    orchestra = stated.orchestra
    for stage, pool in orchestra.pools().items():
        if orchestra.name and not pool:
            yield Contradiction("orchestra", stage, "must have at least one model")
        if not orchestra.name and pool:
            yield Contradiction("orchestra", stage, 'must be [] because name is "", so there are no pools')
        if len(set(pool)) < len(pool):
            yield Contradiction("orchestra", stage, "has a model twice: remove one of the entries")
    for stage in orchestra.effort:
        if stage not in orchestra.pools():
            yield Contradiction("orchestra", "effort", f"no stage {stage!r}{did_you_mean(stage, orchestra.pools())}")
    if orchestra.warm_minutes > orchestra.pin_minutes:
        yield Contradiction("orchestra", "warm_minutes", "must be no more than pin_minutes")


_CHECKS: Sequence[Callable[[Sections], Found]] = (
    _of_price,
    _of_free,
    _of_topups,
    _of_cny_rates,
    _of_grants,
    _of_match,
    _of_referral,
    _of_cashback,
    _of_incentives,
    _of_refunds,
    _of_withdrawals,
    _of_auto_topup,
    _of_orchestra,
)
