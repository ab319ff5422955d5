"""The warning at a server's start about pretended credit that costs real money."""

import asyncpg
import structlog

from tokenharbor.app.context import WorkerContext
from tokenharbor.app.funding import may_pretend
from tokenharbor.app.secrets import credential_seal
from tokenharbor.funding.store import list_pretended
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.kernel.money import Usd

_log = structlog.get_logger("app")


async def warn_about_pretended_credit(context: WorkerContext, pool: asyncpg.Pool) -> None:
    """Log a warning if credit of pretended payments is left although payments are no longer pretended.

    Raises Misconfigured, DatabaseUnavailable.
    """
    async with pool.acquire() as conn:
        stored = await read_credentials(conn, credential_seal(context.root, context.world.entropy))
        if may_pretend(context.settings, stored):
            return
        found = await list_pretended(conn)
    if found:
        left, accounts = Usd(sum(each.left for each in found)), {each.account_id for each in found}
        fix = "tokenharbor topups forget-pretended"
        _log.warning("pretended_credit_left", usd=str(left), accounts=len(accounts), fix=fix)
