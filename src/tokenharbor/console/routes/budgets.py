"""Routes of an account's own budgets, for a UTC day and month."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, patch
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.budgets import BudgetsChange, BudgetsDocument, change_budgets, read_budgets
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.console.parameters import positive
from tokenharbor.kernel.money import Usd


class BudgetsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to the account's own budgets; null removes one."""

    daily_usd: Usd | UnsetType | None = UNSET
    monthly_usd: Usd | UnsetType | None = UNSET

    def as_change(self) -> BudgetsChange:
        """Return the change. Raises InvalidRequest for a budget of 0, which elsewhere means no budget."""
        return BudgetsChange(
            daily=_budget(self.daily_usd, "daily_usd"), monthly=_budget(self.monthly_usd, "monthly_usd")
        )


@get("/api/accounts/{account_id:str}/budgets", right=Right.READ, operation_id="getBudgets", tags=["account"])
async def show_budgets(conn: Conn, context: Context, account: AccountId) -> BudgetsDocument:
    """Get the account's budgets for this UTC day and month: its own, the operator's limits, and the spending so far."""
    return BudgetsDocument.of(await read_budgets(conn, account, context.world.clock.now()))


@patch("/api/accounts/{account_id:str}/budgets", right=Right.SPEND, operation_id="changeBudgets", tags=["account"])
async def edit_budgets(
    data: JSONBody[BudgetsBody], conn: Conn, context: Context, account: AccountId
) -> BudgetsDocument:
    """Change the account's own budgets. Fields not given stay as they are. Applies from the next request."""
    await change_budgets(conn, account, data.as_change())
    return BudgetsDocument.of(await read_budgets(conn, account, context.world.clock.now()))


BUDGET_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_budgets, edit_budgets)


def _budget(stated: Usd | UnsetType | None, param: str) -> Usd | UnsetType | None:
    return UNSET if stated is UNSET else positive(stated, param)
