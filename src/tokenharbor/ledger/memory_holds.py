"""The refusals of holds by the books in memory, rates first, then money; and the use of rates after a batch."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import UNLIMITED, RateLimits
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.memory_rates import (
    RateRefusal,
    concurrency_refusal,
    least_left,
    requests_refusal,
    tokens_refusal,
)
from tokenharbor.ledger.memory_rows import KeyMeter, WalletRow
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, RateUse, RefusedHold

_OF_TOKENS = (HoldRefusal.KEY_TPM, HoldRefusal.ACCOUNT_TPM)


class HoldBatch:
    """The holds of a batch that were not placed before. Of several payers for a key, the last one's limits count."""

    def __init__(self, tables: MemoryTables, holds: Sequence[Hold], at: datetime) -> None:
        self._tables = tables
        self._at = at
        self.now = tables.window_time(at)
        self._key_limits = {hold.payer.key_id: hold.payer.key_limits for hold in holds}
        self._account_limits = {hold.payer.account_id: hold.payer.account_limits for hold in holds}
        self._new = {hold.request_id for hold in holds}

    def refusal(self, hold: Hold) -> RefusedHold | None:
        payer = hold.payer
        wallet, meter = self._tables.wallets.get(payer.account_id), self._tables.meters.get(payer.key_id)
        if wallet is None or meter is None or meter.account_id != payer.account_id:
            return RefusedHold(HoldRefusal.UNKNOWN, ZERO, ZERO)
        left_by_limit = {**meter.limits_left(self._at), **wallet.limits_left(self._at)}
        by_rate = next(filter(None, self._rate_refusals(hold, wallet, meter)), None)
        if by_rate is not None:
            left = least_left(left_by_limit) if by_rate.reason in _OF_TOKENS else ZERO
            return self._refused(hold, by_rate.reason, left, by_rate.retry_ms)
        if wallet.debt:
            return self._refused(hold, HoldRefusal.DEBT)
        if hold.amount > wallet.free:
            return self._refused(hold, HoldRefusal.BALANCE)
        for reason, rest in left_by_limit.items():
            if hold.amount > rest:
                return self._refused(hold, reason, Usd(max(rest, 0)))
        return None

    def with_rates(self, hold: Hold, answer: Answer[PlacedHold | RefusedHold]) -> Answer[PlacedHold | RefusedHold]:
        """Return an answer with the use of rates at the end of the batch."""
        if not isinstance(answer, PlacedHold | RefusedHold) or hold.request_id not in self._new:
            return answer
        if not hold.payer.is_limited or (isinstance(answer, RefusedHold) and answer.reason is HoldRefusal.UNKNOWN):
            return answer
        wallet, meter = self._tables.wallets[hold.payer.account_id], self._tables.meters[hold.payer.key_id]
        use = RateUse(meter.rates.use(self.now), wallet.rates.use(self.now))
        return msgspec.structs.replace(answer, rates=use)

    def _rate_refusals(self, hold: Hold, wallet: WalletRow, meter: KeyMeter) -> Iterator[RateRefusal | None]:
        now, tokens = self.now, hold.tokens
        account, key = self._limits(hold)
        yield wallet.frees.refusal(hold.free_limit, now)
        yield concurrency_refusal(HoldRefusal.ACCOUNT_CONCURRENCY, wallet.rates, account)
        yield concurrency_refusal(HoldRefusal.KEY_CONCURRENCY, meter.rates, key)
        yield requests_refusal(HoldRefusal.ACCOUNT_RPM, wallet.rates, account, now)
        yield requests_refusal(HoldRefusal.KEY_RPM, meter.rates, key, now)
        yield tokens_refusal(HoldRefusal.ACCOUNT_TPM, wallet.rates, account, tokens, now)
        yield tokens_refusal(HoldRefusal.KEY_TPM, meter.rates, key, tokens, now)

    def _limits(self, hold: Hold) -> tuple[RateLimits, RateLimits]:
        """Return the rate limits of the account and of the key."""
        payer = hold.payer
        return self._account_limits.get(payer.account_id, UNLIMITED), self._key_limits.get(payer.key_id, UNLIMITED)

    def _refused(self, hold: Hold, reason: HoldRefusal, left: Usd = ZERO, retry_ms: int = 0) -> RefusedHold:
        wallet, meter = self._tables.wallets[hold.payer.account_id], self._tables.meters[hold.payer.key_id]
        account, key = self._limits(hold)
        tokens = wallet.rates.tokens_left(account, self.now), meter.rates.tokens_left(key, self.now)
        tokens_left = min([each for each in tokens if each is not None], default=None)
        return RefusedHold(reason, wallet.free, Usd(wallet.held), left, tokens_left, retry_ms)
