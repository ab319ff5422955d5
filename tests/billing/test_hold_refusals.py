"""Errors for refused holds: each names the limit, its origin and the figures, and when a retry may pass."""

from datetime import UTC, datetime

import pytest
from tests.editions.derived import derive

from tokenharbor.billing.hold_refusals import refusal_of
from tokenharbor.kernel.errors import InsufficientQuota, RateLimited, Refusal, TooLargeForRate
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer, RateLimits
from tokenharbor.ledger.types import Hold, HoldRefusal, RateUse, RefusedHold, WindowUse

POLICY = derive("token-hub")
NONE: frozenset[HoldRefusal] = frozenset()
KEY = RateLimits(60, 10_000, 5, origins=("edition token-hub", "the key", "plan pro"))
ACCOUNT = RateLimits(600, 50_000, 40, origins=("the account", "the account", "the providers' quotas"))
AT = datetime(2026, 11, 28, tzinfo=UTC)


def refuse(
    why: HoldRefusal,
    retry_ms: int = 0,
    tokens: int = 2_000,
    *,
    fits_later: bool = False,
    spent: frozenset[HoldRefusal] = NONE,
) -> Refusal:
    """`spent`: limits of requests a minute that were met beside `why`; the account's window then ends in 31 s."""
    payer = Payer(UUID(int=1), UUID(int=2), KEY, ACCOUNT)
    hold = Hold(UUID(int=3), payer, Usd.parse("0.25"), AT, tokens, free_limit=25)
    spent |= {why}
    use = RateUse(
        WindowUse(60 if HoldRefusal.KEY_RPM in spent else 59, 9_500, 5, retry_ms or 11_001),
        WindowUse(600 if HoldRefusal.ACCOUNT_RPM in spent else 599, 49_000, 40, 30_500 if spent - {why} else retry_ms),
    )
    outcome = RefusedHold(why, Usd.parse("3"), Usd.parse("1"), Usd.parse("0.1"), 500, retry_ms, use)
    return refusal_of(hold, outcome, POLICY, fits_later=fits_later)


@pytest.mark.parametrize(
    ("why", "figures", "retry_after"),
    [
        (HoldRefusal.KEY_RPM, ("60 requests a minute", "the key", "edition token-hub", "60 used", "12 s"), 12),
        (HoldRefusal.ACCOUNT_RPM, ("600 requests a minute", "the account", "600 used", "12 s"), 12),
        (HoldRefusal.KEY_TPM, ("10000 tokens a minute", "the key", "9500 used", "2000 needed", "12 s"), 12),
        (HoldRefusal.ACCOUNT_TPM, ("50000 tokens a minute", "the account", "49000 used", "2000 needed"), 12),
        (HoldRefusal.KEY_CONCURRENCY, ("5 requests open at once", "the key", "plan pro", "5 open"), 12),
        (HoldRefusal.ACCOUNT_CONCURRENCY, ("40 requests open at once", "the providers' quotas", "40 open"), 12),
        (HoldRefusal.FREE, ("25 requests", "free models", "5 hours", "the account", "25 used", "12 s"), 12),
    ],
)
def test_HUB_6_a_rate_is_refused_with_its_figures(why: HoldRefusal, figures: tuple[str, ...], retry_after: int) -> None:
    refusal = refuse(why, 11_001)
    assert isinstance(refusal, RateLimited)
    assert (refusal.status, refusal.code, refusal.retry_after) == (429, "rate_limit_exceeded", retry_after)
    assert refusal.should_retry is None
    for figure in figures:
        assert figure in refusal.message


@pytest.mark.parametrize("why", [HoldRefusal.KEY_RPM, HoldRefusal.KEY_TPM, HoldRefusal.KEY_CONCURRENCY])
def test_a_retry_waits_for_every_limit_of_requests_that_is_spent(why: HoldRefusal) -> None:
    refusal = refuse(why, 1_000, spent=frozenset({HoldRefusal.ACCOUNT_RPM}))
    assert refusal.retry_after == 31


def test_a_moment_is_a_second() -> None:
    assert [refuse(HoldRefusal.KEY_RPM, ms).retry_after for ms in (1, 1_000, 1_001, 60_000)] == [1, 1, 2, 60]


def test_what_is_larger_than_the_limit_is_not_tried_again() -> None:
    refusal = refuse(HoldRefusal.KEY_TPM, 0, 12_000)
    assert isinstance(refusal, TooLargeForRate)
    assert (refusal.status, refusal.retry_after, refusal.should_retry) == (429, None, False)
    assert "12000" in refusal.message
    assert "10000 tokens a minute" in refusal.message


def test_what_can_be_capped_to_an_empty_window_may_be_tried_when_it_begins() -> None:
    refusal = refuse(HoldRefusal.KEY_TPM, 0, 12_000, fits_later=True)
    assert (refusal.retry_after, refusal.should_retry) == (12, None)


@pytest.mark.parametrize(
    ("why", "limit"),
    [
        (HoldRefusal.QUOTA, "the key's quota"),
        (HoldRefusal.DAILY, "the key's daily budget"),
        (HoldRefusal.MONTHLY, "the key's monthly budget"),
        (HoldRefusal.ACCOUNT_DAILY, "the account's daily budget"),
        (HoldRefusal.ACCOUNT_MONTHLY, "the account's monthly budget"),
        (HoldRefusal.BALANCE, "the balance"),
        (HoldRefusal.DEBT, "debt"),
    ],
)
def test_TH_B13_money_is_refused_with_its_figures(why: HoldRefusal, limit: str) -> None:
    refusal = refuse(why)
    assert isinstance(refusal, InsufficientQuota)
    assert (refusal.status, refusal.retry_after, refusal.should_retry) == (402, None, False)
    for figure in (limit, "balance $3", "held $1", "needed $0.25"):
        assert figure in refusal.message
    assert ("$0.1" in refusal.message) == (why not in (HoldRefusal.BALANCE, HoldRefusal.DEBT))


def test_figures_that_the_books_did_not_say_are_the_limits() -> None:
    payer = Payer(UUID(int=1), UUID(int=2), KEY, ACCOUNT)
    hold = Hold(UUID(int=3), payer, ZERO, AT, 1)
    refusal = refusal_of(hold, RefusedHold(HoldRefusal.KEY_RPM, ZERO, ZERO, retry_ms=5_000), POLICY)
    assert "60 used" in refusal.message
