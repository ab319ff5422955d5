"""The budgets of an account: what it may spend in a UTC day and month by its own word and by the operator's. The lower
of the two is in its wallet, where each hold counts, so that a change is in force with the next hold.
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
    """What is changed of an account's own budgets. None: it gives itself none."""

    daily: Usd | UnsetType | None = UNSET
    monthly: Usd | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Of a day or a month: what the account gives itself, what the operator states, and what is spent. None: none."""

    own: Usd | None
    operators: Usd | None
    spent: Usd

    @property
    def in_force(self) -> Usd | None:
        return lower_budget(self.own, self.operators)


@dataclass(frozen=True, slots=True)
class AccountBudgets:
    """The budgets of this UTC day and month."""

    day: BudgetState
    month: BudgetState


class BudgetDocument(Document, frozen=True):
    """A budget of now. `own_usd` is what the account gives itself, `limit_usd` what the operator states; the lower one
    is `in_force_usd`. None: none.
    """

    own_usd: Usd | None
    limit_usd: Usd | None
    in_force_usd: Usd | None
    spent_usd: Usd

    @classmethod
    def of(cls, state: BudgetState) -> Self:
        return cls(own_usd=state.own, limit_usd=state.operators, in_force_usd=state.in_force, spent_usd=state.spent)


class BudgetsDocument(Document, frozen=True):
    """The account's budgets of this UTC day and month."""

    day: BudgetDocument
    month: BudgetDocument

    @classmethod
    def of(cls, budgets: AccountBudgets) -> Self:
        return cls(day=BudgetDocument.of(budgets.day), month=BudgetDocument.of(budgets.month))


def lower_budget(one: Usd | None, other: Usd | None) -> Usd | None:
    """The one in force of two; None: none."""
    return min((each for each in (one, other) if each is not None), default=None)


async def read_budgets(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> AccountBudgets:
    """Raises Missing."""
    account = await store.get_account(conn, account_id)
    spent = await read_account_spending(conn, account_id, now)
    own, limits = account.budgets, account.limits
    return AccountBudgets(
        BudgetState(own.daily, limits.daily, spent.day), BudgetState(own.monthly, limits.monthly, spent.month)
    )


async def change_budgets(conn: asyncpg.Connection, account_id: UUID, change: BudgetsChange) -> None:
    """Change what is stated in `change`, and nothing else; the audit log has it. Raises Missing."""
    async with conn.transaction():
        own = (await changes.lock_account(conn, account_id)).budgets
        daily = own.daily if change.daily is UNSET else change.daily
        monthly = own.monthly if change.monthly is UNSET else change.monthly
        await changes.change_budgets(conn, account_id, OwnBudgets(daily, monthly))
