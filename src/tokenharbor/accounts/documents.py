"""The documents of accounts, limits, consent, keys and health, for commands, paths and pages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.providers import ProviderHealth
from tokenharbor.editions.policy import FreePolicy, PlanPolicy, Policy
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.changes import AccountChange
from tokenharbor.identity.keys import PREFIX
from tokenharbor.identity.limits import PlanLimits
from tokenharbor.identity.store import Account, AccountLimits, KeyRow
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import RateLimits


class StatedLimitsDocument(Document, frozen=True):
    """The limits that an account's row states. A rate of null is not stated, and 0 is unlimited."""

    rpm: int | None
    tpm: int | None
    concurrency: int | None
    key_rpm: int | None
    key_tpm: int | None
    key_concurrency: int | None
    daily_usd: Usd | None
    monthly_usd: Usd | None

    @classmethod
    def of(cls, limits: AccountLimits) -> Self:
        rates, key_rates = limits.rates, limits.key_rates
        return cls(
            rpm=rates.rpm,
            tpm=rates.tpm,
            concurrency=rates.concurrency,
            key_rpm=key_rates.rpm,
            key_tpm=key_rates.tpm,
            key_concurrency=key_rates.concurrency,
            daily_usd=limits.daily,
            monthly_usd=limits.monthly,
        )


class PlanDocument(PlanPolicy, frozen=True, kw_only=True):
    """A plan's terms: rates, prices and boundaries of accounts that have it, and its texts."""

    plan: str

    @classmethod
    def of(cls, name: str, plan: PlanPolicy) -> Self:
        return cls(plan=name, **msgspec.structs.asdict(plan))


class AccountDocument(Document, frozen=True):
    """An account. A `plan` of null is the edition's default. `daily_budget_usd` and `monthly_budget_usd` are its own
    budgets, which cannot raise its `limits`. `terms` are shown on request; null means no plan.
    """

    id: str
    created_at: datetime
    name: str
    edition: str
    region: str
    emails: Sequence[str]
    plan: str | None
    limits: StatedLimitsDocument
    free_models: bool
    daily_budget_usd: Usd | None
    monthly_budget_usd: Usd | None
    terms: PlanDocument | UnsetType | None = UNSET

    @classmethod
    def of(cls, account: Account, policy: Policy | None = None) -> Self:
        """Return the document, with the terms of the account's plan if `policy` is given."""
        return cls(
            id=ids.show("acct", account.id),
            created_at=to_second(account.created_at),
            name=account.name,
            edition=account.edition,
            region=account.region,
            emails=account.emails,
            plan=account.plan or None,
            limits=StatedLimitsDocument.of(account.limits),
            free_models=account.free_models,
            daily_budget_usd=account.budgets.daily,
            monthly_budget_usd=account.budgets.monthly,
            terms=UNSET if policy is None else _terms(policy, account.plan),
        )


class LimitDocument(Document, frozen=True):
    """A rate limit: the limit in force (null: no limit), the one that the account's row states, and the origin."""

    limit: int | None
    stated: int | None
    origin: str | None


class LimitsDocument(Document, frozen=True):
    """The limits in force of an account and of each of its keys, and the account's budgets: the operator's
    (`daily_usd`) and its own (`daily_budget_usd`), of which the lower is in force.
    """

    id: str
    rpm: LimitDocument
    tpm: LimitDocument
    concurrency: LimitDocument
    key_rpm: LimitDocument
    key_tpm: LimitDocument
    key_concurrency: LimitDocument
    daily_usd: Usd | None
    monthly_usd: Usd | None
    daily_budget_usd: Usd | None
    monthly_budget_usd: Usd | None

    @classmethod
    def of(cls, account: Account, limits: PlanLimits) -> Self:
        rpm, tpm, concurrency = _in_force(limits.account, account.limits.rates)
        key_rpm, key_tpm, key_concurrency = _in_force(limits.key, account.limits.key_rates)
        return cls(
            id=ids.show("acct", account.id),
            rpm=rpm,
            tpm=tpm,
            concurrency=concurrency,
            key_rpm=key_rpm,
            key_tpm=key_tpm,
            key_concurrency=key_concurrency,
            daily_usd=account.limits.daily,
            monthly_usd=account.limits.monthly,
            daily_budget_usd=account.budgets.daily,
            monthly_budget_usd=account.budgets.monthly,
        )


class AccountChangeDocument(Document, frozen=True):
    """A change. `before` and `after` are text, "" if not stated. `wording` is the text that a consent agreed to."""

    at: datetime
    actor: str
    field: str
    before: str
    after: str
    wording: str

    @classmethod
    def of(cls, change: AccountChange) -> Self:
        return cls(
            at=to_second(change.at),
            actor=change.actor,
            field=change.field,
            before=change.before,
            after=change.after,
            wording=change.wording,
        )


class ConsentDocument(Document, frozen=True):
    """A consent: when, by whom, and to which wording. `by` is the id of a user or a management key, or `operator`."""

    at: datetime
    by: str
    wording: str

    @classmethod
    def of(cls, change: AccountChange) -> Self:
        return cls(at=to_second(change.at), by=change.actor, wording=change.wording)


class FreeModelsDocument(Document, frozen=True):
    """An account's setting of free models. `wording` is the text to agree to now, `consent` the last consent, null
    while they are off. `requests` is the limit in `window_hours`; accounts that topped up have `topped_up_requests`.
    """

    on: bool
    wording: str
    consent: ConsentDocument | None
    requests: int
    topped_up_requests: int
    window_hours: int

    @classmethod
    def of(cls, free: FreePolicy, consent: AccountChange | None, *, on: bool) -> Self:
        return cls(
            on=on,
            wording=free.consent,
            consent=None if consent is None or not on else ConsentDocument.of(consent),
            requests=free.requests,
            topped_up_requests=free.topped_up_requests,
            window_hours=free.window_hours,
        )


class KeyDocument(Document, frozen=True):
    """An API key, without the secret. An empty list means no rule; null means no limit."""

    id: str
    key: str
    name: str
    label: str
    models: Sequence[str]
    providers: Sequence[str]
    deny_providers: Sequence[str]
    ip: Sequence[str]
    quota_usd: Usd | None
    daily_usd: Usd | None
    monthly_usd: Usd | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: KeyRow) -> Self:
        rules = row.rules
        return cls(
            id=ids.show("key", row.id),
            key=f"{PREFIX}{row.first4}…{row.last4}",
            name=rules.name,
            label=rules.label,
            models=rules.models,
            providers=rules.providers,
            deny_providers=rules.denied_providers,
            ip=[str(network) for network in rules.networks],
            quota_usd=rules.quota,
            daily_usd=rules.daily,
            monthly_usd=rules.monthly,
            rpm=rules.rates.rpm,
            tpm=rules.rates.tpm,
            concurrency=rules.rates.concurrency,
            created_at=to_second(row.created_at),
            expires_at=to_second(rules.expires_at),
            revoked_at=to_second(row.revoked_at),
        )


class ProviderHealthDocument(Document, frozen=True):
    """The results of the attempts at a provider. `lost_usd` has only the losses above zero."""

    provider: str
    attempts: int
    ok: int
    failed: int
    median_ms: int | None
    last_ok_at: datetime | None
    last_failed_at: datetime | None
    failures: Mapping[str, int]
    alarms: Mapping[str, int]
    lost_usd: Mapping[str, Usd]

    @classmethod
    def of(cls, health: ProviderHealth) -> Self:
        losses = {"overrun": health.overrun, "unbilled": health.unbilled}
        return cls(
            provider=health.provider,
            attempts=health.attempts,
            ok=health.ok,
            failed=health.failed,
            median_ms=health.median_ms,
            last_ok_at=to_second(health.last_ok_at),
            last_failed_at=to_second(health.last_failed_at),
            failures=health.failures,
            alarms=health.alarms,
            lost_usd={kind: amount for kind, amount in losses.items() if amount},
        )


def _terms(policy: Policy, stated: str) -> PlanDocument | None:
    plan = policy.plan(stated)
    return None if plan is None else PlanDocument.of(policy.plan_name(stated), plan)


def _in_force(limits: RateLimits, stated: StatedRates) -> Sequence[LimitDocument]:
    return [
        LimitDocument(limit=getattr(limits, name), stated=getattr(stated, name), origin=origin or None)
        for name, origin in zip(StatedRates.__struct_fields__, limits.origins, strict=True)
    ]
