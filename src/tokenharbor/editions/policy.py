"""Policy: the differences between the four reference services as typed fields in sections; an
edition sets all of them.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from tokenharbor.editions.fields import (
    Amount,
    BasisPoints,
    Count,
    Currency,
    Days,
    Discount,
    Limit,
    Line,
    Maturity,
    Months,
    Rate,
    Retention,
    Share,
    SupportUrl,
    Word,
)
from tokenharbor.editions.orchestra import OrchestraPolicy
from tokenharbor.kernel.money import Usd

PLAN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
DEFAULT_PLAN: Final = "default"
"""The plan name of accounts whose row states none; reserved, so that no plan has it."""


class VolumeTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[price] volume_tiers`: this discount from this spend on."""

    from_usd: Amount
    discount_bp: Discount

    @property
    def threshold(self) -> Usd:
        return Usd.parse(self.from_usd)


class PricePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[price]`: additions to the vendor's price."""

    service_fee_bp: BasisPoints  # on top of the model fee, as a separate posting
    markup_bp: BasisPoints  # on the vendor's price, for models not in the table below
    markup_bp_by_model: Mapping[str, BasisPoints]
    discount_bp: Discount  # on marked-up prices, for an account without a plan
    volume_tiers: tuple[VolumeTier, ...]  # by spending of top-ups in this month; lowest first

    def volume_discount_of(self, spent: Usd) -> int:
        """Return the discount in basis points of the tier that this spend has reached; 0: none."""
        return max((tier.discount_bp for tier in self.volume_tiers if tier.threshold <= spent), default=0)

    def markup_of(self, model: str) -> int:
        """Return the markup on a model, by its canonical name, in basis points."""
        return self.markup_bp_by_model.get(model, self.markup_bp)


class FailoverPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[failover]`: whether another provider of the same model is tried after a failure."""

    enabled: bool
    max_providers: Count  # tried for one request, the first included

    @property
    def at_most(self) -> int:
        """The number of providers tried for one request."""
        return self.max_providers if self.enabled else 1


class CapPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cap]`: the maximum output if the caller set none and the balance does not cover the model's."""

    share_bp: Share  # of the available balance
    min_tokens: Count  # of output: the request is refused instead of capped below this


class BillingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[billing]`: billing beside complete answers."""

    broken_streams: bool  # bill content delivered before an upstream failed


class RatePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a minute, tokens a minute, requests open at once: per key, and per account. 0: unlimited."""

    key_rpm: Limit
    key_tpm: Limit
    key_concurrency: Limit
    account_rpm: Limit
    account_tpm: Limit
    account_concurrency: Limit


class LimitPolicy(RatePolicy, frozen=True, kw_only=True):
    """`[limits]`: the rates of an account without a plan."""

    account_quota_share_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)]  # of the providers' quotas; 0: no such limit
    read_rpm: Limit  # lists, receipts, balances, videos, dry runs: per key, and per address without a key
    count_rpm: Limit  # token counts, per key


class PlanPolicy(RatePolicy, frozen=True, kw_only=True):
    """`[plans.NAME]`: the rates, terms and boundaries of an account with this plan, in place of the edition's."""

    label: Line  # for people
    service_fee_bp: BasisPoints
    discount_bp: Discount  # on marked-up prices
    regions: tuple[Word, ...]  # allowed for its requests; empty: any
    providers: tuple[Word, ...]  # likewise
    retention: Retention  # the longest retention of its requests' providers; "": any
    sla: Line  # the promised availability as text: only shown, neither measured nor refunded by the program
    support: Line  # likewise, the promised support


class AccountPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[accounts]`: defaults of accounts."""

    default_plan: str  # "": none


class SignUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[sign_up]`: sign-up without the operator."""

    enabled: bool  # whether anyone may sign up
    disposable_mail: bool  # whether disposable mail addresses are accepted


class FreePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[free]`: the requests of free models that an account has per window, which begins with its first one."""

    window_hours: Annotated[int, msgspec.Meta(ge=5, le=5)]  # fixed in the database; stated so that it is shown
    requests: Count
    topped_up_requests: Count  # for an account with top-ups, net of refunds and disputes, of at least the smallest pack
    consent: Line  # the text to agree to before free models are turned on


class TopUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[topups]`: the amounts and ways of payment, and how long the credit is valid."""

    packs_usd: tuple[Amount, ...]  # offered; lowest first
    custom: bool  # whether any amount from min_usd to max_usd is allowed
    min_usd: Amount  # of one top-up
    max_usd: Amount
    currencies: tuple[Currency, ...]
    processors: tuple[Word, ...]  # only the configured ones of them are offered
    methods: tuple[Word, ...]  # of those processors
    expires_months: Months  # 0: never
    cny_rate_minutes: Limit  # how long an open checkout in CNY keeps its rate; 0 without CNY
    cny_rate_least: Rate  # the lowest CNY per US dollar that an operator may set; "0" without CNY
    cny_rate_most: Rate  # likewise, the highest
    second_person_usd: Amount  # above it, a payment entered by an operator needs another operator's approval

    @property
    def packs(self) -> tuple[Usd, ...]:
        return tuple(Usd.parse(pack) for pack in self.packs_usd)

    @property
    def smallest_pack(self) -> Usd:
        """The top-ups from which an account counts as topped up."""
        return min(self.packs, default=self.minimum)

    @property
    def minimum(self) -> Usd:
        return Usd.parse(self.min_usd)

    @property
    def maximum(self) -> Usd:
        return Usd.parse(self.max_usd)

    @property
    def second_person(self) -> Usd:
        return Usd.parse(self.second_person_usd)


class GrantPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[grants]`: credit for those who claim it. An amount of 0: none."""

    welcome_usd: Amount
    welcome_days: Days  # from the grant to its expiry
    claim_days: Days  # after sign-up, to claim it; 0: no deadline
    daily_usd: Amount  # for each UTC day with a billed request
    daily_days: Days  # from the grant to its expiry
    codes: bool  # whether redemption codes are accepted

    @property
    def welcome(self) -> Usd:
        return Usd.parse(self.welcome_usd)

    @property
    def daily(self) -> Usd:
        return Usd.parse(self.daily_usd)


class MatchPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[match]`: the credit that matches an account's first top-up, locked until the top-up is spent."""

    share_bp: BasisPoints  # of the top-up; 0: no match
    max_usd: Amount
    within_days: Days  # after sign-up
    expires_days: Days  # from the grant; 0: never

    @property
    def maximum(self) -> Usd:
        return Usd.parse(self.max_usd)


class ReferralPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[referral]`: the referrer's reward when a referred account makes its first billed request."""

    reward_usd: Amount  # 0: nothing
    unpaid_referrals: Limit  # rewards spendable at once; later ones wait for the referred account's first payment
    maturity_days: Maturity  # until it is withdrawable, at least

    @property
    def reward(self) -> Usd:
        return Usd.parse(self.reward_usd)


class CashbackPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cashback]`: the part of spent top-ups that is paid back. The API's rate rises with the account's total
    spending.
    """

    base_bp: BasisPoints
    step_bp: BasisPoints  # for each whole dollar
    max_bp: BasisPoints  # 0: none for the API
    day_usd: Amount  # the most in a UTC day
    trial_life_usd: Amount  # the most from trial credit, for life
    chat_tiers: Mapping[str, BasisPoints]  # for web chat, by the model's tier; not in force yet
    maturity_days: Maturity  # until it is withdrawable, at least

    @property
    def day(self) -> Usd:
        return Usd.parse(self.day_usd)

    @property
    def pays(self) -> bool:
        """Whether there is any cashback."""
        return self.max_bp > 0 or any(self.chat_tiers.values())

    @property
    def trial_life(self) -> Usd:
        return Usd.parse(self.trial_life_usd)


class IncentivePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[incentives]`: the most that an account gets for life from all incentives together, gross. 0: no incentives."""

    life_usd: Amount

    @property
    def life(self) -> Usd:
        return Usd.parse(self.life_usd)


class RefundPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[refunds]`: refunds of a top-up's unused part, to its payment method."""

    days: Days  # after the top-up; 0: no window
    customer: bool  # whether a customer may request one; otherwise an operator decides
    review_from: Count  # from this number on, an account's refunds within review_days wait for an operator
    review_days: Count


class WithdrawalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[withdrawals]`: payouts of credit."""

    enabled: bool
    min_usd: Amount
    day_usd: Amount  # the most in a UTC day
    approval: bool  # whether an operator must approve each
    payee_days: Limit  # after which an unverified payee is paid; 0: never

    @property
    def minimum(self) -> Usd:
        return Usd.parse(self.min_usd)

    @property
    def day(self) -> Usd:
        return Usd.parse(self.day_usd)


class AutoTopUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[auto_topup]`: the limits of a customer's automatic top-ups, and the brakes that stop them."""

    enabled: bool  # whether customers may turn it on; off by default for each account
    min_threshold_usd: Amount
    month_usd: Amount  # the most in a UTC month
    cooldown_minutes: Count  # between two of them
    theft_factor: Count  # a key that spends this many times its usual amount stops it

    @property
    def min_threshold(self) -> Usd:
        return Usd.parse(self.min_threshold_usd)

    @property
    def month(self) -> Usd:
        return Usd.parse(self.month_usd)


class DisputePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[disputes]`: the time in which a payer can dispute a payment."""

    deadline_days: Mapping[Word, Count]  # by processor; an absent one has no disputes


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[retention]`: how long a request's metadata, other than its amounts, is kept."""

    metadata_days: Limit  # 0: for ever


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cache]`: cached answers, which are free of charge."""

    exact: bool  # whether an identical request gets the same answer
    seconds: Count  # how long an answer is kept
    memory_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)]  # of sealed answers, per worker
    replay_mib_s: Annotated[int, msgspec.Meta(ge=1, le=65_536)]  # the most that a worker replays per second
    semantic: bool  # whether accounts may turn on cached answers to questions in other words
    semantic_minutes: Annotated[int, msgspec.Meta(ge=1, le=60)]  # how long an answer is kept for these
    semantic_memory_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)]  # of such answers, per worker
    semantic_trial: Count  # an account's first hits, which are only compared with the provider's answer
    semantic_compared_in: Count  # one of this many given hits is compared
    semantic_compared_usd: Amount  # the operator's highest cost of such comparisons in a UTC day

    @property
    def semantic_compared(self) -> Usd:
        return Usd.parse(self.semantic_compared_usd)


class SupportLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[pages] support`: a link for help."""

    label: Line
    url: SupportUrl


class PagePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[pages]`: the dashboard's names of its pages, and its links for help."""

    home: Literal["home", "console"]
    requests: Literal["requests", "logs"]
    keys: Literal["keys", "tokens"]
    support: tuple[SupportLink, ...]


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's file. It sets every field of every section, so that no policy is implicit."""

    price: PricePolicy
    failover: FailoverPolicy
    cap: CapPolicy
    billing: BillingPolicy
    limits: LimitPolicy
    accounts: AccountPolicy
    sign_up: SignUpPolicy
    free: FreePolicy
    topups: TopUpPolicy
    grants: GrantPolicy
    match: MatchPolicy
    referral: ReferralPolicy
    cashback: CashbackPolicy
    incentives: IncentivePolicy
    refunds: RefundPolicy
    withdrawals: WithdrawalPolicy
    auto_topup: AutoTopUpPolicy
    disputes: DisputePolicy
    retention: RetentionPolicy
    orchestra: OrchestraPolicy
    cache: CachePolicy
    pages: PagePolicy
    plans: Mapping[str, PlanPolicy]


class Policy(Sections, frozen=True, kw_only=True):
    """The policy in force, with its edition's name."""

    name: str

    @property
    def rewards(self) -> bool:
        """Whether there are any rewards: incentives within the lifetime cap, or codes."""
        return self.incentives.life > Usd(0) or self.grants.codes

    def plan_name(self, stated: str) -> str:
        """Return an account's plan: the one of its row, else the default. "" is none."""
        return stated if stated in self.plans else self.accounts.default_plan

    def plan(self, stated: str) -> PlanPolicy | None:
        """Likewise, return the plan's policy."""
        return self.plans.get(self.plan_name(stated))
