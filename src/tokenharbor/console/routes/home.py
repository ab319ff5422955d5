"""Routes of Home: everything on its page, in one call."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor.accounts.budgets import lower_budget
from tokenharbor.accounts.credit_documents import BalanceDocument, LotDocument
from tokenharbor.accounts.credits import read_balance
from tokenharbor.accounts.spending import read_account_spending
from tokenharbor.alerts.documents import NoticeDocument
from tokenharbor.alerts.store import list_notices
from tokenharbor.billing.documents import RequestDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.identity import store
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.history import RequestFilter, RequestHistory
from tokenharbor.ledger.lots import join_alike, read_lot_balances
from tokenharbor.rewards.documents import RewardsDocument
from tokenharbor.rewards.overview import RewardStage, read_rewards

_LAST_REQUESTS: Final = 10
_LAST_NOTICES: Final = 5


class SpendingDocument(Document, frozen=True):
    """Spending in this UTC day and month, and the budgets in force; null if there is none."""

    day_usd: Usd
    month_usd: Usd
    daily_budget_usd: Usd | None
    monthly_budget_usd: Usd | None


class FirstStepsDocument(Document, frozen=True):
    """The first steps that a new account has done. `claimed` is null if there is no welcome grant to claim."""

    claimed: bool | None
    has_key: bool
    has_called: bool
    topped_up: bool


class HomeDocument(Document, frozen=True):
    """Everything that Home shows of an account."""

    balance: BalanceDocument
    lots: Sequence[LotDocument]
    spending: SpendingDocument
    requests: Sequence[RequestDocument]
    rewards: RewardsDocument
    notices: Sequence[NoticeDocument]
    first_steps: FirstStepsDocument


@get("/api/accounts/{account_id:str}/home", right=Right.READ, operation_id="getHome", tags=["account"])
async def show_home(conn: Conn, context: Context, account: AccountId) -> HomeDocument:
    """Get what Home shows: balance, lots, spending, the last ten requests, rewards, notices, first steps."""
    now = context.world.clock.now()
    rewards = await read_rewards(conn, context.world, context.policy(), account)
    balance = await read_balance(conn, context.world, account)
    row = await store.get_account(conn, account)
    spent = await read_account_spending(conn, account, now)
    page = await RequestHistory(conn).requests(account, RequestFilter(most=_LAST_REQUESTS))
    stage = rewards.welcome.stage
    keys = await store.list_keys(conn, account)
    return HomeDocument(
        balance=msgspec.structs.replace(BalanceDocument.of(balance), currency="USD"),
        lots=[LotDocument.of(each) for each in join_alike(await read_lot_balances(conn, account, now))],
        spending=SpendingDocument(
            day_usd=spent.day,
            month_usd=spent.month,
            daily_budget_usd=lower_budget(row.budgets.daily, row.limits.daily),
            monthly_budget_usd=lower_budget(row.budgets.monthly, row.limits.monthly),
        ),
        requests=[RequestDocument.of(*each) for each in page.found],
        rewards=RewardsDocument.of(rewards, context.funding.public_url),
        notices=[NoticeDocument.of(*each) for each in await list_notices(conn, account, _LAST_NOTICES)],
        first_steps=FirstStepsDocument(
            claimed=None if stage in (RewardStage.NONE, RewardStage.OVER) else stage is not RewardStage.OPEN,
            has_key=bool(keys),
            has_called=bool(page.found),
            topped_up=rewards.topped_up,
        ),
    )


HOME_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_home,)
