"""Routes of free models: whether they are on, the consent that they need, and the allowance."""

from collections.abc import Sequence
from typing import Annotated, Final

import asyncpg
import msgspec
from litestar import delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from tokenharbor.accounts.changes import change_consent
from tokenharbor.accounts.documents import FreeModelsDocument
from tokenharbor.accounts.free_allowance import FreeAllowanceDocument, read_free_allowance
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountActor, AccountId, Conn, ConsoleContext, Context
from tokenharbor.identity.changes import read_consent
from tokenharbor.identity.store import get_account
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason


class FreeConsentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wording that the user agrees to, exactly as in `wording`."""

    wording: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@get("/api/accounts/{account_id:str}/free-models", right=Right.READ, operation_id="getFreeModels", tags=["account"])
async def show_free_models(conn: Conn, context: Context, account: AccountId) -> FreeModelsDocument:
    """Get whether free models are on, since when and by whom, and the wording to agree to."""
    return await _shown(conn, context, account)


@get(
    "/api/accounts/{account_id:str}/free-models/allowance",
    right=Right.READ,
    operation_id="getFreeAllowance",
    tags=["account"],
)
async def show_allowance(conn: Conn, context: Context, account: AccountId) -> FreeAllowanceDocument:
    """Get the number of calls of free models left, and the time of the next reset."""
    return await read_free_allowance(conn, context.policy(), account, context.world.clock.now())


@put(
    "/api/accounts/{account_id:str}/free-models",
    right=Right.MANAGE,
    operation_id="agreeToFreeModels",
    tags=["account"],
)
async def agree(
    *, data: JSONBody[FreeConsentBody], conn: Conn, context: Context, account: AccountId, actor: AccountActor
) -> FreeModelsDocument:
    """Turn free models on. Records the wording with the user, time and address. 409 if the wording has changed."""
    if data.wording != context.policy().free.consent:
        raise Conflict("The wording of the consent has changed: read it again and send the current one.").because(
            ErrorReason.CONSENT_CHANGED
        )
    await change_consent(conn, context.world, account, data.wording, actor=actor.id, address=actor.address)
    return await _shown(conn, context, account)


@delete(
    "/api/accounts/{account_id:str}/free-models",
    right=Right.MANAGE,
    status_code=200,
    operation_id="turnOffFreeModels",
    tags=["account"],
)
async def turn_off(conn: Conn, context: Context, account: AccountId, actor: AccountActor) -> FreeModelsDocument:
    """Turn free models off. Within a second, nothing more is sent to their providers."""
    await change_consent(conn, context.world, account, "", actor=actor.id, address=actor.address)
    return await _shown(conn, context, account)


async def _shown(conn: asyncpg.Connection, context: ConsoleContext, account_id: UUID) -> FreeModelsDocument:
    row = await get_account(conn, account_id)
    return FreeModelsDocument.of(context.policy().free, await read_consent(conn, account_id), on=row.free_models)


FREE_MODEL_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_free_models, show_allowance, agree, turn_off)
