"""The rates of one payer as this gateway knows them: for rate limit headers, and to repeat refusals.

The database decides every limit. Two parts of its last answer are kept here:

- The windows of key and account, for the headers of answers: those of the last batch, minus the time since. The header
  lines are written once per batch and second.
- A refusal by requests a minute. Only the window's end, or a change of limits, can end such a refusal. Until then the
  gateway repeats it without asking the database, so a caller that retries in a loop costs no database call.

Invariant: a refusal is never repeated past the window's end. The database states how long the window lasts from some
moment between question and answer. The gateway stops repeating by the time of the question, which is too early rather
than too late; `retry-after` counts from the answer, so that a retry after it passes. A change of key, account or plan
makes another `Caller`, and a change of the edition another snapshot; either has a new `PayerRates`.
"""

from math import ceil

import msgspec

from tokenharbor.billing.hold_refusals import RPM_LIMITS, requests_refusal, retry_after_ms, whole_seconds
from tokenharbor.gateway.answers import write_refusal
from tokenharbor.gateway.rate_lines import RateStatus, narrower, write_rate_lines
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.ids import Ids, ShownIds
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import PlacedHold, RateUse, RefusedHold
from tokenharbor.wire.neutral.dialect import Dialect

_NEVER = float("-inf")
_FOREVER = float("inf")
_MOST_REFUSED = 10_000


class _WrittenRefusal(msgspec.Struct, frozen=True):
    """A refusal, valid until its seconds change, split where each request's own id goes."""

    until: float
    request_ids: ShownIds
    status: int
    head: list[bytes]
    body: list[bytes]


class RefusedCallers:
    """The callers that are refused by requests a minute in this process. After `until`, none is."""

    def __init__(self) -> None:
        self.until = _NEVER
        self._rates: dict[Caller, PayerRates] = {}

    def add(self, caller: Caller, rates: "PayerRates", now: float) -> None:
        if now >= self.until or len(self._rates) >= _MOST_REFUSED:
            self._rates.clear()
        self.until = max(self.until, rates.refused_until)
        self._rates[caller] = rates

    def find(self, caller: Caller, now: float) -> "PayerRates | None":
        rates = self._rates.get(caller)
        return None if rates is None or now >= rates.refused_until else rates


class PayerRates:
    """The rates of one limited caller under one snapshot. All times are monotonic seconds."""

    __slots__ = (
        "_caller",
        "_clock",
        "_ends",
        "_lines",
        "_lines_until",
        "_refusal",
        "_refused",
        "_use",
        "_use_at",
        "_written",
        "payer",
        "refused_until",
    )

    def __init__(self, caller: Caller, payer: Payer, refused: RefusedCallers, clock: Clock) -> None:
        self.payer = payer
        self._caller = caller
        self._refused = refused
        self.refused_until = _NEVER  # requests that begin before it are refused without asking the database
        self._clock = clock
        self._use: RateUse | None = None
        self._use_at = _NEVER
        self._lines = b""
        self._lines_until = _NEVER
        self._refusal: RefusedHold | None = None
        self._ends = _NEVER
        self._written: dict[str, _WrittenRefusal] = {}

    def note(self, outcome: PlacedHold | RefusedHold, asked_at_seconds: float) -> None:
        """Note the database's answer to a hold of a request that began at `asked_at_seconds`."""
        use = outcome.rates
        if use is not None and use is not self._use:
            self._use = use
            self._use_at = self._clock.monotonic()
            self._lines_until = _NEVER
        if isinstance(outcome, RefusedHold) and outcome.reason in RPM_LIMITS:
            seconds = retry_after_ms(self.payer, outcome) / 1000
            self.refused_until = max(self.refused_until, asked_at_seconds + seconds)
            self._refusal = outcome
            now = self._clock.monotonic()
            self._ends = now + seconds
            self._written.clear()
            self._refused.add(self._caller, self, now)

    def lines(self) -> bytes:
        """Return the `x-ratelimit-*` lines of an answer that is sent now."""
        if self._use is None:
            return b""
        now = self._clock.monotonic()
        if now >= self._lines_until:
            self._write_lines(self._use, now)
        return self._lines

    def refusal(self, dialect: Dialect, ids: Ids, now: float) -> tuple[int, bytes, bytes]:
        """Return status, head and body of the refusal in force."""
        written = self._written.get(dialect.name)
        if written is None or now >= written.until:
            written = self._written[dialect.name] = self._write_refusal(dialect, ids.series("req"), now)
        own = written.request_ids.next()
        return written.status, own.join(written.head), own.join(written.body)

    def _write_refusal(self, dialect: Dialect, request_ids: ShownIds, now: float) -> _WrittenRefusal:
        assert self._refusal is not None, "only a refusal that was noted is repeated"  # noqa: S101  for mypy
        seconds = whole_seconds(ceil((self._ends - now) * 1000))
        refusal = requests_refusal(self.payer, self._refusal, seconds)
        request_id = request_ids.next()
        status, head, body = write_refusal(dialect, request_id.decode("ascii"), refusal, self.lines())
        until = self._ends - seconds + 1
        return _WrittenRefusal(until, request_ids, status, head.split(request_id), body.split(request_id))

    def _write_lines(self, use: RateUse, now: float) -> None:
        passed = now - self._use_at
        key, account = self.payer.key_limits, self.payer.account_limits
        of_key, of_account = use.key, use.account
        key_left, account_left = of_key.ends_in_ms / 1000 - passed, of_account.ends_in_ms / 1000 - passed
        self._lines = write_rate_lines(
            narrower(
                _rate_left(key.rpm, of_key.requests, key_left),
                _rate_left(account.rpm, of_account.requests, account_left),
            ),
            narrower(
                _rate_left(key.tpm, of_key.tokens, key_left), _rate_left(account.tpm, of_account.tokens, account_left)
            ),
        )
        self._lines_until = now + min(_until_next_second(key_left), _until_next_second(account_left))


def _rate_left(limit: int | None, used: int, seconds_left: float) -> RateStatus | None:
    """Return a limit in a window that ends in `rest` seconds, as headers show it; None if there is no limit."""
    if limit is None:
        return None
    return RateStatus(limit, max(0, limit - used), seconds_left) if seconds_left > 0 else RateStatus(limit, limit, 0.0)


def _until_next_second(seconds_left: float) -> float:
    """Return for how long the number of whole seconds left stays the same."""
    return seconds_left - ceil(seconds_left) + 1 if seconds_left > 0 else _FOREVER
