"""Changes of an account's plan, limits and consent to free models. Each is in force at once, and recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.stated import stated_fields
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.policy import DEFAULT_PLAN, Policy
from tokenharbor.identity import changes, store
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.changes import AccountChange
from tokenharbor.identity.store import Account
from tokenharbor.kernel.errors import Misconfigured, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.tables import did_you_mean
from tokenharbor.kernel.world import World

OPERATOR: Final = "operator"
"""The actor of changes made by command."""


class LimitsChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an account's limits; UNSET leaves a limit as it is. A rate of None is the plan's or the edition's,
    and 0 is unlimited. A budget of None is no budget.
    """

    rpm: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET
    key_rpm: int | UnsetType | None = UNSET
    key_tpm: int | UnsetType | None = UNSET
    key_concurrency: int | UnsetType | None = UNSET
    daily: Usd | UnsetType | None = UNSET
    monthly: Usd | UnsetType | None = UNSET


async def change_plan(
    conn: asyncpg.Connection, world: World, account_id: UUID, plan: str, *, policy: Policy, actor: str
) -> Account:
    """Give an account a plan; `default` is the edition's default plan. Raises Missing, Rejected for an unknown plan."""
    if plan != DEFAULT_PLAN and plan not in policy.plans:
        known = (*policy.plans, DEFAULT_PLAN)
        raise Rejected(f"edition {policy.name} has no plan {plan[:64]!r}{did_you_mean(plan, known)}", param="plan")
    stated = "" if plan == DEFAULT_PLAN else plan
    return await _change(conn, world, account_id, lambda account: replace(account, plan=stated), actor=actor)


async def change_limits(
    conn: asyncpg.Connection, world: World, account_id: UUID, change: LimitsChange, *, actor: str
) -> Account:
    """Change the limits that `change` states. Raises Missing."""
    stated = stated_fields(change)

    def apply(account: Account) -> Account:
        limits = account.limits
        limits = replace(
            limits,
            rates=_changed_rates(limits.rates, stated, ""),
            key_rates=_changed_rates(limits.key_rates, stated, "key_"),
            daily=stated.get("daily", limits.daily),
            monthly=stated.get("monthly", limits.monthly),
        )
        return replace(account, limits=limits)

    return await _change(conn, world, account_id, apply, actor=actor)


async def change_consent(
    conn: asyncpg.Connection, world: World, account_id: UUID, agreed: str, *, actor: str, address: str = ""
) -> Account:
    """Turn free models on; `agreed` is the wording that was agreed to. "" turns them off. While they are on, agreeing
    to a changed wording is recorded, too. Raises Missing.
    """
    on = bool(agreed)
    async with conn.transaction():
        account = await changes.lock_account(conn, account_id)
        if account.free_models == on:
            last = await changes.read_consent(conn, account_id) if on else None
            if last is None or last.wording == agreed:
                return account
        edited = replace(account, free_models=on)
        await changes.change_account(conn, edited)
        before, after = _switch(on=account.free_models), _switch(on=on)
        change = AccountChange(world.clock.now(), actor, "free_models", before, after, agreed, address=address)
        await changes.record_change(conn, world.ids.new(), account_id, change)
    return edited


async def list_changes(conn: asyncpg.Connection, account_id: UUID) -> Sequence[AccountChange]:
    """Return the recorded changes of an account, oldest first. Raises Missing."""
    await store.get_account(conn, account_id)
    return await changes.read_changes(conn, account_id)


def check_plans(policy: Policy, in_use: Mapping[str, int], catalog: Catalog) -> None:
    """Check that the edition has every plan that accounts have, since their boundaries would be lost without it, and
    that the providers of its plans exist. Raises Misconfigured.
    """
    faults = [
        f"edition {policy.name}: no plan {plan!r}, which {count} accounts have; state [plans.{plan}], or give them "
        f"another with tokenharbor accounts plan ID NAME"
        for plan, count in in_use.items()
        if plan not in policy.plans
    ]
    known = catalog.providers
    faults += [
        f"edition {policy.name} [plans.{name}]: providers: no provider {each!r}{did_you_mean(each, known)}"
        for name, plan in policy.plans.items()
        for each in plan.providers
        if each not in known
    ]
    if faults:
        raise Misconfigured(*faults)


async def _change(
    conn: asyncpg.Connection,
    world: World,
    account_id: UUID,
    edit: Callable[[Account], Account],
    *,
    actor: str,
) -> Account:
    """Edit an account, and record each changed field."""
    async with conn.transaction():
        account = await changes.lock_account(conn, account_id)
        edited = edit(account)
        now = world.clock.now()
        before, after = _fields(account), _fields(edited)
        changed = [field for field in before if before[field] != after[field]]
        if changed:
            await changes.change_account(conn, edited)
        for field in changed:
            change = AccountChange(now, actor, field, before[field], after[field])
            await changes.record_change(conn, world.ids.new(), account_id, change)
    return edited


def _fields(account: Account) -> Mapping[str, str]:
    """Return the fields that can be changed, as text for the record; "" means not stated."""
    limits = account.limits
    rates = msgspec.structs.asdict(limits.rates)
    key_rates = {f"key_{name}": value for name, value in msgspec.structs.asdict(limits.key_rates).items()}
    budgets = {"daily_usd": limits.daily, "monthly_usd": limits.monthly}
    stated = {name: "" if value is None else str(value) for name, value in (rates | key_rates | budgets).items()}
    return {"plan": account.plan, **stated}


def _switch(*, on: bool) -> str:
    return "on" if on else "off"


def _changed_rates(rates: StatedRates, stated: Mapping[str, int | None], prefix: str) -> StatedRates:
    names = StatedRates.__struct_fields__
    return StatedRates(**{name: stated.get(prefix + name, getattr(rates, name)) for name in names})
