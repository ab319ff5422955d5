"""A payer's rates in a gateway's memory: correct headers, and refusals repeated only while they hold."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tokenharbor.gateway.payer_rates import PayerRates, RefusedCallers
from tokenharbor.gateway.rate_lines import write_duration
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SystemEntropy
from tokenharbor.kernel.ids import UUID, Ids, parse
from tokenharbor.kernel.money import ZERO
from tokenharbor.kernel.payer import Payer, RateLimits
from tokenharbor.ledger.types import HoldRefusal, PlacedHold, RateUse, RefusedHold, WindowUse
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import Dialect

NOTHING = WindowUse(0, 0, 0, 0)


def headers(lines: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines.decode().splitlines())


def placed(key: WindowUse, account: WindowUse = NOTHING) -> PlacedHold:
    return PlacedHold(ZERO, RateUse(key, account))


class Rates:
    """A payer's rates on a clock that is moved by hand."""

    def __init__(self, key: RateLimits, account: RateLimits | None = None) -> None:
        self.clock = ManualClock(datetime(2026, 11, 28, tzinfo=UTC))
        payer = Payer(UUID(int=1), UUID(int=2), key, account or RateLimits())
        self.caller = Caller(payer)
        self.refused = RefusedCallers()
        self.payer = PayerRates(self.caller, payer, self.refused, self.clock)
        self.ids = Ids(self.clock, SystemEntropy())

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def refuse(self, retry_ms: int, took: float = 0.0, why: HoldRefusal = HoldRefusal.KEY_RPM) -> None:
        """The database answers so many seconds after it was asked."""
        asked = self.clock.monotonic()
        self.wait(took)
        use = RateUse(WindowUse(60, 0, 1, retry_ms), NOTHING)
        self.payer.note(RefusedHold(why, ZERO, ZERO, retry_ms=retry_ms, rates=use), asked)

    def is_refused(self) -> bool:
        found = self.refused.find(self.caller, self.clock.monotonic())
        assert (found is not None) <= (self.refused.until > self.clock.monotonic())
        return found is self.payer

    def answer(self, dialect: Dialect) -> tuple[int, dict[str, str], str]:
        """The refusal that is in force: status, headers, body."""
        status, head, body = self.payer.refusal(dialect, self.ids, self.clock.monotonic())
        return status, headers(head), msgspec.json.encode(msgspec.json.decode(body)).decode()

    def headers(self) -> dict[str, str]:
        return headers(self.payer.lines())


def test_headers_show_what_leaves_a_caller_the_least() -> None:
    rates = Rates(RateLimits(60, 1_000), RateLimits(600, 900))
    assert rates.headers() == {}, "nothing is known before the books have spoken"
    rates.payer.note(placed(WindowUse(20, 100, 1, 12_000), WindowUse(590, 850, 3, 30_400)), 0.0)
    assert rates.headers() == {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "10",
        "x-ratelimit-reset-requests": "31s",
        "x-ratelimit-limit-tokens": "900",
        "x-ratelimit-remaining-tokens": "50",
        "x-ratelimit-reset-tokens": "31s",
    }
    rates.payer.note(placed(WindowUse(55, 100, 1, 12_000), WindowUse(590, 0, 3, 30_400)), 0.0)
    assert rates.headers()["x-ratelimit-limit-requests"] == "60"
    assert rates.headers()["x-ratelimit-remaining-tokens"] == "900"


def test_headers_tell_of_limits_alone() -> None:
    rates = Rates(RateLimits(concurrency=5), RateLimits(tpm=900))
    rates.payer.note(placed(WindowUse(20, 100, 1, 12_000), WindowUse(20, 1_000, 1, 12_000)), 0.0)
    assert set(rates.headers()) == {f"x-ratelimit-{each}-tokens" for each in ("limit", "remaining", "reset")}
    assert rates.headers()["x-ratelimit-remaining-tokens"] == "0", "what was used may be more than the limit"


def test_headers_count_the_time_that_has_passed() -> None:
    rates = Rates(RateLimits(60))
    rates.payer.note(placed(WindowUse(60, 0, 1, 2_500)), 0.0)
    seen = []
    for _ in range(4):
        seen.append((rates.headers()["x-ratelimit-reset-requests"], rates.headers()["x-ratelimit-remaining-requests"]))
        rates.wait(1)
    assert seen == [("3s", "0"), ("2s", "0"), ("1s", "0"), ("0s", "60")]


def test_headers_are_written_once_for_a_batch() -> None:
    rates = Rates(RateLimits(60))
    batch = placed(WindowUse(7, 0, 1, 30_500))
    rates.payer.note(batch, 0.0)
    first = rates.payer.lines()
    rates.wait(0.4)
    rates.payer.note(PlacedHold(ZERO, batch.rates), 0.0)
    assert rates.payer.lines() is first
    rates.wait(0.2)
    assert headers(rates.payer.lines())["x-ratelimit-reset-requests"] == "30s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (12, "12s"), (60, "1m0s"), (360, "6m0s"), (3_661, "1h1m1s"), (18_000, "5h0m0s")]
)
def test_durations_are_as_openai_writes_them(seconds: int, text: str) -> None:
    assert write_duration(seconds) == text


def test_HUB_6_a_refusal_by_requests_a_minute_is_repeated_until_the_window_ends() -> None:
    rates = Rates(RateLimits(60, origins=("edition token-hub", "", "")))
    assert not rates.is_refused()
    rates.refuse(12_000)
    rates.wait(11.9)
    assert rates.is_refused()
    rates.wait(0.2)
    assert not rates.is_refused()


def test_a_refusal_is_never_repeated_past_the_windows_end() -> None:
    """The window may have ended `took` seconds earlier than the answer would have it."""
    rates = Rates(RateLimits(60))
    rates.refuse(12_000, took=3)
    rates.wait(8.9)
    assert rates.is_refused()
    rates.wait(0.2)
    assert not rates.is_refused()


def test_no_other_refusal_is_repeated() -> None:
    rates = Rates(RateLimits(60, 100, 5))
    for why in set(HoldRefusal) - {HoldRefusal.KEY_RPM, HoldRefusal.ACCOUNT_RPM}:
        rates.refuse(12_000, why=why)
        assert not rates.is_refused(), why
    rates.refuse(12_000, why=HoldRefusal.ACCOUNT_RPM)
    assert rates.is_refused()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_HUB_6_a_repeated_refusal_is_told_in_the_callers_dialect_with_its_own_id(dialect: Dialect) -> None:
    rates = Rates(RateLimits(60, origins=("edition token-hub", "", "")))
    rates.refuse(12_000, took=0.5)
    seen = set()
    for _ in range(20):
        status, head, body = rates.answer(dialect)
        assert (status, head["retry-after"], head["x-ratelimit-remaining-requests"]) == (429, "12", "0")
        assert "60 requests a minute for the key (limit of edition token-hub)" in body
        assert "12 s" in body
        assert head["x-request-id"] == head["request-id"]
        assert all(named == head["x-request-id"] for named in re.findall(r"req_[0-9a-v]+", body))
        assert parse("req", head["x-request-id"]).version == 7
        seen.add(head["x-request-id"])
    assert len(seen) == 20
    rates.wait(1.1)
    status, head, body = rates.answer(dialect)
    assert (status, head["retry-after"]) == (429, "11")
    assert "11 s" in body
    assert head["x-request-id"] not in seen


def test_who_is_refused_is_forgotten_when_nobody_is() -> None:
    rates = Rates(RateLimits(60))
    rates.refuse(12_000)
    assert rates.refused.find(Caller(rates.payer.payer), rates.clock.monotonic()) is None, "a changed key is another"
    rates.wait(13)
    rates.refuse(1_000)
    assert len(rates.refused._rates) == 1
