"""Policy: what the four reference services do differently, as typed fields in sections; an edition states them all."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from tokenharbor.kernel.money import Usd

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Share = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]  # 0: unlimited
Discount = Annotated[int, msgspec.Meta(ge=0, le=9_999)]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Retention = Annotated[str, msgspec.Meta(pattern=r"^(none|days:[0-9]{1,5}|training|)$")]
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]

PLAN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
DEFAULT_PLAN: Final = "default"
"""What an account's plan is called where its row states none; so no plan has this name."""


class PricePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[price]`: what a request costs beside the vendor's price."""

    service_fee_bp: BasisPoints  # on top of the model fee, its own posting
    markup_bp: BasisPoints  # on the vendor's price, for models not in the table below
    markup_bp_by_model: Mapping[str, BasisPoints]

    def markup_of(self, model: str) -> int:
        """The markup on a model, by its canonical name, in basis points."""
        return self.markup_bp_by_model.get(model, self.markup_bp)


class FailoverPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[failover]`: whether a failed provider is followed by another of the same model."""

    enabled: bool
    max_providers: Count  # tried for one request, the first included

    @property
    def at_most(self) -> int:
        """How many providers are tried for one request."""
        return self.max_providers if self.enabled else 1


class CapPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cap]`: the output's maximum where the caller set none and the balance does not cover the model's."""

    share_bp: Share  # of the available balance
    min_tokens: Count  # of output: below it the request is refused rather than capped


class BillingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[billing]`: what is billed beside complete answers."""

    broken_streams: bool  # what was delivered before an upstream broke


class RatePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a minute, tokens a minute, requests open at once: of each key, and of the account. 0: unlimited."""

    key_rpm: Limit
    key_tpm: Limit
    key_concurrency: Limit
    account_rpm: Limit
    account_tpm: Limit
    account_concurrency: Limit


class LimitPolicy(RatePolicy, frozen=True, kw_only=True):
    """`[limits]`: the rates of an account that has no plan."""

    account_quota_share_bp: Annotated[
        int, msgspec.Meta(ge=0, le=10_000)
    ]  # of the providers' quotas; 0: not bound to them
    read_rpm: Limit  # lists, receipts, balances, videos, dry runs: of each key, and of each address without one
    count_rpm: Limit  # token counts of each key


class PlanPolicy(RatePolicy, frozen=True, kw_only=True):
    """`[plans.NAME]`: the rates, terms and boundaries of an account that has this plan, in place of the edition's."""

    label: Line  # for people
    service_fee_bp: BasisPoints
    discount_bp: Discount  # on marked-up prices
    regions: tuple[Word, ...]  # where its requests may go; empty: anywhere
    providers: tuple[Word, ...]  # likewise
    retention: Retention  # the most that its requests' providers may keep; "": any


class AccountPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[accounts]`: what an account has that the operator gave nothing else."""

    default_plan: str  # "": none


class FreePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[free]`: how many requests of free models an account has in a window, which begins with its first one."""

    window_hours: Annotated[int, msgspec.Meta(ge=5, le=5)]  # what the books count by; stated, so that it is shown
    requests: Count
    topped_up_requests: Count  # of an account whose top-ups, net of refunds and disputes, are the smallest pack or more
    smallest_pack_usd: Amount
    consent: Line  # what who turns free models on agrees to

    @property
    def smallest_pack(self) -> Usd:
        return Usd.parse(self.smallest_pack_usd)


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's file. Every field of every section is stated in it, so that nothing is policy by default."""

    price: PricePolicy
    failover: FailoverPolicy
    cap: CapPolicy
    billing: BillingPolicy
    limits: LimitPolicy
    accounts: AccountPolicy
    free: FreePolicy
    plans: Mapping[str, PlanPolicy]


class Policy(Sections, frozen=True, kw_only=True):
    """The policy in force, under its edition's name."""

    name: str

    def plan_name(self, stated: str) -> str:
        """The plan that an account has: the one that its row states, else the default one. "" is none."""
        return stated if stated in self.plans else self.accounts.default_plan

    def plan(self, stated: str) -> PlanPolicy | None:
        """Likewise, what this plan says."""
        return self.plans.get(self.plan_name(stated))
