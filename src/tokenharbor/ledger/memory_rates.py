"""The counts that the books in memory keep of a key or an account: open requests, windows, charges by day and month."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tokenharbor.kernel.money import MAX_NANO, Usd
from tokenharbor.kernel.payer import RateLimits
from tokenharbor.ledger.periods import day_end, month_end
from tokenharbor.ledger.types import HoldRefusal, WindowUse

LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_FREE_WINDOW = timedelta(hours=5)
_MILLISECOND = timedelta(milliseconds=1)
_CONCURRENCY_RETRY_MS = 1000


@dataclass(frozen=True, slots=True)
class HoldPlace:
    """A hold's part in rates: its tokens in the windows in which it was placed, and whether it is open."""

    tokens: int
    placed_at: datetime
    open: bool = True

    def freed(self) -> "HoldPlace":
        return HoldPlace(0, self.placed_at, open=False)


@dataclass(frozen=True, slots=True)
class RateCount:
    """The number of open requests, and the requests and tokens of a window of one minute."""

    open: int = 0
    start: datetime = LONG_AGO
    requests: int = 0
    tokens: int = 0

    def at(self, now: datetime) -> "RateCount":
        """Return the count without a window that has ended."""
        return RateCount(self.open) if now >= self.start + _MINUTE or not self.requests else self

    def placed(self, tokens: int, now: datetime) -> "RateCount":
        then = self.at(now)
        start = then.start if then.requests else now
        return RateCount(self.open + 1, start, then.requests + 1, then.tokens + tokens)

    def given_back(self, place: HoldPlace, used: int) -> "RateCount":
        """Return the count without a hold; `used` of its tokens remain counted."""
        more = used - place.tokens if place.placed_at >= self.start else 0
        return replace(self, open=self.open - place.open, tokens=max(self.tokens + more, 0))

    def use(self, now: datetime) -> WindowUse:
        then = self.at(now)
        return WindowUse(then.requests, then.tokens, then.open, then.ends_in_ms(now) if then.requests else 0)

    def ends_in_ms(self, now: datetime) -> int:
        return max((self.start + _MINUTE - now) // _MILLISECOND, 1)

    def tokens_left(self, limits: RateLimits, now: datetime) -> int | None:
        return None if limits.tpm is None else max(limits.tpm - self.at(now).tokens, 0)


@dataclass(frozen=True, slots=True)
class RateRefusal:
    """A refusal by a rate, and the time until the rate admits it; 0 means that waiting does not help."""

    reason: HoldRefusal
    retry_ms: int


def concurrency_refusal(reason: HoldRefusal, count: RateCount, limits: RateLimits) -> RateRefusal | None:
    reached = limits.concurrency is not None and count.open >= limits.concurrency
    return RateRefusal(reason, _CONCURRENCY_RETRY_MS) if reached else None


def requests_refusal(reason: HoldRefusal, count: RateCount, limits: RateLimits, now: datetime) -> RateRefusal | None:
    then = count.at(now)
    return RateRefusal(reason, then.ends_in_ms(now)) if limits.rpm is not None and then.requests >= limits.rpm else None


def tokens_refusal(
    reason: HoldRefusal, count: RateCount, limits: RateLimits, tokens: int, now: datetime
) -> RateRefusal | None:
    then = count.at(now)
    if limits.tpm is None or then.tokens + tokens <= limits.tpm:
        return None
    return RateRefusal(reason, 0 if tokens > limits.tpm else then.ends_in_ms(now))


@dataclass(frozen=True, slots=True)
class FreeCount:
    """The number of requests to free models in a window of five hours."""

    start: datetime = LONG_AGO
    requests: int = 0

    def at(self, now: datetime) -> "FreeCount":
        return FreeCount() if now >= self.start + _FREE_WINDOW else self

    def placed(self, now: datetime) -> "FreeCount":
        then = self.at(now)
        return FreeCount(then.start if then.requests else now, then.requests + 1)

    def refusal(self, limit: int, now: datetime) -> RateRefusal | None:
        then = self.at(now)
        if not limit or then.requests < limit:
            return None
        return RateRefusal(HoldRefusal.FREE, (then.start + _FREE_WINDOW - now) // _MILLISECOND)


@dataclass(frozen=True, slots=True)
class PeriodCharges:
    """The charges in the current UTC day and month; each starts again at its end."""

    day: int = 0
    month: int = 0
    day_end: datetime = LONG_AGO
    month_end: datetime = LONG_AGO

    def charged(self, amount: int, at: datetime) -> "PeriodCharges":
        return PeriodCharges(
            amount + (0 if at >= self.day_end else self.day),
            amount + (0 if at >= self.month_end else self.month),
            max(self.day_end, day_end(at)),
            max(self.month_end, month_end(at)),
        )

    def budgets_left(self, budgets: "Budgets", held: int, at: datetime) -> tuple[int, int]:
        """Return the rest of the day's budget and of the month's."""
        day = 0 if at >= self.day_end else self.day
        month = 0 if at >= self.month_end else self.month
        return or_all(budgets.daily) - day - held, or_all(budgets.monthly) - month - held


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets of a UTC day and of a UTC month. None means no limit."""

    daily: Usd | None = None
    monthly: Usd | None = None


def or_all(limit: Usd | None) -> int:
    return MAX_NANO if limit is None else limit


def least_left(left_by_limit: Mapping[HoldRefusal, int]) -> Usd:
    return Usd(max(min(left_by_limit.values()), 0))
