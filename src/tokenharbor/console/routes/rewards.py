"""Routes of rewards: those granted and still available, the welcome grant, and codes."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.rewards.codes import redeem
from tokenharbor.rewards.documents import RewardDocument, RewardsDocument
from tokenharbor.rewards.grants import claim_welcome
from tokenharbor.rewards.overview import read_rewards


class CodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A redemption code, in any spelling (case, spaces, hyphens)."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


@get("/api/accounts/{account_id:str}/rewards", right=Right.READ, operation_id="getRewards", tags=["rewards"])
async def show_rewards(conn: Conn, context: Context, account: AccountId) -> RewardsDocument:
    """Get the account's rewards: welcome grant, match, referrals, cashback, and the lifetime maximum."""
    found = await read_rewards(conn, context.world, context.policy(), account)
    return RewardsDocument.of(found, context.funding.public_url)


@post(
    "/api/accounts/{account_id:str}/rewards/welcome-grant",
    right=Right.SPEND,
    operation_id="claimWelcomeGrant",
    tags=["rewards"],
)
async def claim(conn: Conn, context: Context, account: AccountId) -> RewardDocument:
    """Claim the welcome grant, once."""
    return RewardDocument.of(await claim_welcome(conn, context.world, context.policy(), account))


@post("/api/accounts/{account_id:str}/codes", right=Right.SPEND, operation_id="redeemCode", tags=["rewards"])
async def redeem_code(conn: Conn, context: Context, account: AccountId, data: JSONBody[CodeBody]) -> RewardDocument:
    """Redeem a code, once."""
    return RewardDocument.of(await redeem(conn, context.world, context.policy(), account, data.code))


REWARD_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_rewards, claim, redeem_code)
