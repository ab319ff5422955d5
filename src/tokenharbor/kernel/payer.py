"""The payer of a request: an account and one of its API keys, with the rate limits of both."""

from functools import cached_property

import msgspec

from tokenharbor.kernel.ids import UUID

_NO_LIMIT = 2**63 - 1  # the largest BIGINT


class RateLimits(msgspec.Struct, frozen=True, dict=True):
    """Limits of requests a minute, tokens a minute and requests open at once; None means no limit. `origins` names the
    origin of each, such as "the key" or "plan pro".
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    origins: tuple[str, str, str] = ("", "", "")

    @cached_property
    def is_none(self) -> bool:
        return self.rpm is None and self.tpm is None and self.concurrency is None

    @cached_property
    def elements(self) -> str:
        """The limits as elements of an array in PostgreSQL's text format; no limit is the largest BIGINT."""
        return ",".join(
            [str(_NO_LIMIT if limit is None else limit) for limit in (self.rpm, self.tpm, self.concurrency)]
        )


UNLIMITED = RateLimits()


class Payer(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """An account and a key with their limits. Made once for each key and snapshot and shared by all its requests, so
    that derived values are computed once.
    """

    account_id: UUID
    key_id: UUID
    key_limits: RateLimits = UNLIMITED
    account_limits: RateLimits = UNLIMITED

    @cached_property
    def account_hex(self) -> str:
        return self.account_id.hex

    @cached_property
    def key_hex(self) -> str:
        return self.key_id.hex

    def is_same(self, other: "Payer") -> bool:
        """Whether both are the same account and key, whatever their limits."""
        return (self.account_id, self.key_id) == (other.account_id, other.key_id)

    @cached_property
    def is_limited(self) -> bool:
        """Whether any rate has a limit."""
        return not (self.key_limits.is_none and self.account_limits.is_none)
