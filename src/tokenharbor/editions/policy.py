"""Policy: what the four reference services do differently, as typed fields in sections; an edition states them all."""

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
"""What an account's plan is called where its row states none; so no plan has this name."""


class VolumeTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[price] volume_tiers`: from this spend on, this discount."""

    from_usd: Amount
    discount_bp: Discount

    @property
    def threshold(self) -> Usd:
        return Usd.parse(self.from_usd)


class PricePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[price]`: what a request costs beside the vendor's price."""

    service_fee_bp: BasisPoints  # on top of the model fee, its own posting
    markup_bp: BasisPoints  # on the vendor's price, for models not in the table below
    markup_bp_by_model: Mapping[str, BasisPoints]
    discount_bp: Discount  # on marked-up prices, of an account without a plan
    volume_tiers: tuple[VolumeTier, ...]  # by what was spent of top-ups since the month began; lowest first

    def volume_discount_of(self, spent: Usd) -> int:
        """The discount of the tier that this spend has reached, in basis points; 0: of none."""
        return max((tier.discount_bp for tier in self.volume_tiers if tier.threshold <= spent), default=0)

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
    sla: Line  # what is promised of availability, in words: it is shown, the program neither measures nor refunds by it
    support: Line  # likewise, of help


class AccountPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[accounts]`: what an account has that the operator gave nothing else."""

    default_plan: str  # "": none


class SignUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[sign_up]`: who may open an account without the operator."""

    enabled: bool  # whether anybody may
    disposable_mail: bool  # whether with an address of a service of throw-away mail, too


class FreePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[free]`: how many requests of free models an account has in a window, which begins with its first one."""

    window_hours: Annotated[int, msgspec.Meta(ge=5, le=5)]  # what the books count by; stated, so that it is shown
    requests: Count
    topped_up_requests: Count  # of an account whose top-ups, net of refunds and disputes, are the smallest pack or more
    consent: Line  # what who turns free models on agrees to


class TopUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[topups]`: what customers may pay in, by what, and how long it stays valid."""

    packs_usd: tuple[Amount, ...]  # offered; lowest first
    custom: bool  # whether any amount from min_usd to max_usd may be paid
    min_usd: Amount  # of one top-up
    max_usd: Amount
    currencies: tuple[Currency, ...]
    processors: tuple[Word, ...]  # those that are configured among them are offered
    methods: tuple[Word, ...]  # of those processors
    expires_months: Months  # 0: never
    cny_rate_minutes: Limit  # how long the rate of an open checkout in CNY holds; 0 without CNY
    cny_rate_least: Rate  # the least CNY for a US dollar that an operator may set; "0" without CNY
    cny_rate_most: Rate  # likewise, the most
    second_person_usd: Amount  # a payment that an operator enters needs another operator's approval above it

    @property
    def packs(self) -> tuple[Usd, ...]:
        return tuple(Usd.parse(pack) for pack in self.packs_usd)

    @property
    def smallest_pack(self) -> Usd:
        """What makes an account one that has topped up."""
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
    """`[grants]`: credit that is given to whoever claims it. An amount of 0: none."""

    welcome_usd: Amount
    welcome_days: Days  # from the grant to its expiry
    claim_days: Days  # after sign-up, in which it can be claimed; 0: at any time
    daily_usd: Amount  # for each UTC day with a billed request
    daily_days: Days  # from the grant to its expiry
    codes: bool  # whether redemption codes are taken

    @property
    def welcome(self) -> Usd:
        return Usd.parse(self.welcome_usd)

    @property
    def daily(self) -> Usd:
        return Usd.parse(self.daily_usd)


class MatchPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[match]`: what an account's first top-up is matched by, locked until the top-up is spent."""

    share_bp: BasisPoints  # of the top-up; 0: no match
    max_usd: Amount
    within_days: Days  # after sign-up
    expires_days: Days  # from the grant; 0: never

    @property
    def maximum(self) -> Usd:
        return Usd.parse(self.max_usd)


class ReferralPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[referral]`: what a referrer gets when a referred account makes its first billed request."""

    reward_usd: Amount  # 0: nothing
    unpaid_referrals: Limit  # spendable at once; later ones wait for the referred account's first payment
    maturity_days: Maturity  # until it is withdrawable, at least

    @property
    def reward(self) -> Usd:
        return Usd.parse(self.reward_usd)


class CashbackPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cashback]`: what comes back of spent top-ups. The API's rate rises with what an account spent in its life."""

    base_bp: BasisPoints
    step_bp: BasisPoints  # for each whole dollar
    max_bp: BasisPoints  # 0: none for the API
    day_usd: Amount  # at most, in a UTC day
    trial_life_usd: Amount  # at most, from trial credit, for life
    chat_tiers: Mapping[str, BasisPoints]  # of web chat, by the tier of the model; not in force yet
    maturity_days: Maturity  # until it is withdrawable, at least

    @property
    def day(self) -> Usd:
        return Usd.parse(self.day_usd)

    @property
    def pays(self) -> bool:
        """Whether there is cashback at all."""
        return self.max_bp > 0 or any(self.chat_tiers.values())

    @property
    def trial_life(self) -> Usd:
        return Usd.parse(self.trial_life_usd)


class IncentivePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[incentives]`: the most that an account gets for life of all incentives together, gross. 0: no incentives."""

    life_usd: Amount

    @property
    def life(self) -> Usd:
        return Usd.parse(self.life_usd)


class RefundPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[refunds]`: of a top-up's unused part, to what it was paid by."""

    days: Days  # after the top-up; 0: no window
    customer: bool  # whether a customer may ask for one; otherwise an operator decides
    review_from: Count  # this many refunds of an account in review_days, and every further one, wait for an operator
    review_days: Count


class WithdrawalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[withdrawals]`: credit that is paid out."""

    enabled: bool
    min_usd: Amount
    day_usd: Amount  # at most, in a UTC day
    approval: bool  # whether an operator approves each
    payee_days: Limit  # after which a payee is paid that no operator has verified; 0: none is

    @property
    def minimum(self) -> Usd:
        return Usd.parse(self.min_usd)

    @property
    def day(self) -> Usd:
        return Usd.parse(self.day_usd)


class AutoTopUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[auto_topup]`: what a customer who turns automatic top-ups on may choose, and what stops them."""

    enabled: bool  # whether customers may turn it on; it is off for each account until then
    min_threshold_usd: Amount
    month_usd: Amount  # at most, in a UTC month
    cooldown_minutes: Count  # from one to the next
    theft_factor: Count  # a key that spends so many times its usual stops it

    @property
    def min_threshold(self) -> Usd:
        return Usd.parse(self.min_threshold_usd)

    @property
    def month(self) -> Usd:
        return Usd.parse(self.month_usd)


class DisputePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[disputes]`: until when a payer can dispute a payment."""

    deadline_days: Mapping[Word, Count]  # by processor; one that is not in it knows no disputes


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[retention]`: how long what is known of a request beside its money is kept."""

    metadata_days: Limit  # 0: for ever


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cache]`: answers that are given again, at no charge."""

    exact: bool  # whether an identical request has the same answer
    seconds: Count  # for which an answer is kept
    memory_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)]  # of sealed answers, in each worker
    replay_mib_s: Annotated[int, msgspec.Meta(ge=1, le=65_536)]  # the most that a worker gives of them in a second
    semantic: bool  # whether accounts may turn on that a question in other words has the same answer
    semantic_minutes: Annotated[int, msgspec.Meta(ge=1, le=60)]  # for which an answer is kept for that
    semantic_memory_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)]  # of such answers, in each worker
    semantic_trial: Count  # hits of an account that are compared with the provider's answer before the first is given
    semantic_compared_in: Count  # of so many hits that are given, one is compared
    semantic_compared_usd: Amount  # the most that such comparisons cost the operator in a UTC day

    @property
    def semantic_compared(self) -> Usd:
        return Usd.parse(self.semantic_compared_usd)


class SupportLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[pages] support`: where help is."""

    label: Line
    url: SupportUrl


class PagePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[pages]`: what the dashboard calls its pages, and where its reader finds help."""

    home: Literal["home", "console"]
    requests: Literal["requests", "logs"]
    keys: Literal["keys", "tokens"]
    support: tuple[SupportLink, ...]


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's file. Every field of every section is stated in it, so that nothing is policy by default."""

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
    """The policy in force, under its edition's name."""

    name: str

    @property
    def rewards(self) -> bool:
        """Whether anything is given here: within the cap for life, or by codes."""
        return self.incentives.life > Usd(0) or self.grants.codes

    def plan_name(self, stated: str) -> str:
        """The plan that an account has: the one that its row states, else the default one. "" is none."""
        return stated if stated in self.plans else self.accounts.default_plan

    def plan(self, stated: str) -> PlanPolicy | None:
        """Likewise, what this plan says."""
        return self.plans.get(self.plan_name(stated))
