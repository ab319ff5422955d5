"""The budgets of an account for a UTC day and month: its own and the operator's. The lower one is in its wallet, where
each hold is checked, so that a change is in force with the next hold.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.spending import read_account_spending
from tokenharbor.identity import changes, store
from tokenharbor.identity.store import OwnBudgets
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


class BudgetsChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an account's own budgets. None removes a budget; UNSET leaves it as it is."""

    daily: Usd | UnsetType | None = UNSET
    monthly: Usd | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The budgets of a day or a month, the account's own and the operator's (None: no budget), and the amount spent."""

    own: Usd | None
    operators: Usd | None
    spent: Usd

    @property
    def in_force(self) -> Usd | None:
        return lower_budget(self.own, self.operators)


@dataclass(frozen=True, slots=True)
class AccountBudgets:
    """The budgets of the current UTC day and month."""

    day: BudgetState
    month: BudgetState


class BudgetDocument(Document, frozen=True):
    """A budget of the current day or month. `own_usd` is the account's own, `limit_usd` the operator's; the lower one
    is `in_force_usd`. Null means no budget.
    """

    own_usd: Usd | None
    limit_usd: Usd | None
    in_force_usd: Usd | None
    spent_usd: Usd

    @classmethod
    def of(cls, state: BudgetState) -> Self:
        return cls(own_usd=state.own, limit_usd=state.operators, in_force_usd=state.in_force, spent_usd=state.spent)


class BudgetsDocument(Document, frozen=True):
    """The account's budgets of the current UTC day and month."""

    day: BudgetDocument
    month: BudgetDocument

    @classmethod
    def of(cls, budgets: AccountBudgets) -> Self:
        return cls(day=BudgetDocument.of(budgets.day), month=BudgetDocument.of(budgets.month))


def lower_budget(one: Usd | None, other: Usd | None) -> Usd | None:
    """Return the lower of two budgets, which is in force; None means no budget."""
    return min((each for each in (one, other) if each is not None), default=None)


async def read_budgets(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> AccountBudgets:
    """Return an account's budgets and spending. Raises Missing."""
    account = await store.get_account(conn, account_id)
    spent = await read_account_spending(conn, account_id, now)
    own, limits = account.budgets, account.limits
    return AccountBudgets(
        BudgetState(own.daily, limits.daily, spent.day), BudgetState(own.monthly, limits.monthly, spent.month)
    )


async def change_budgets(conn: asyncpg.Connection, account_id: UUID, change: BudgetsChange) -> None:
    """Change the budgets that `change` states; the audit log records it. Raises Missing."""
    async with conn.transaction():
        own = (await changes.lock_account(conn, account_id)).budgets
        daily = own.daily if change.daily is UNSET else change.daily
        monthly = own.monthly if change.monthly is UNSET else change.monthly
        await changes.change_budgets(conn, account_id, OwnBudgets(daily, monthly))
