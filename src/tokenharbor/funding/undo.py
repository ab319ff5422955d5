"""Undoes what somebody else may have done for an account: withdrawals, payees, auto top-up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.funding import auto_store, payee_store, withdrawal_store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.withdrawal_types import SavedPayee, Withdrawal
from tokenharbor.funding.withdrawals import end_uncalled
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.wallets import Wallets

_WHY = "requested by somebody else: a change of the e-mail address was undone"


@dataclass(frozen=True, slots=True)
class UndoneFunding:
    """The withdrawals, payees (with their addresses, now erased) and auto top-up that were ended."""

    withdrawals: Sequence[Withdrawal]
    payees: Sequence[tuple[SavedPayee, str]]
    auto_top_up: bool


async def undo_funding(
    conn: asyncpg.Connection, funding: Funding, account_id: UUID, *, actors: Collection[str], since: datetime, by: str
) -> UndoneFunding:
    """End what these actors did since a time: withdrawals that no processor knows of, payees, and auto top-up.

    A withdrawal that a processor is already paying keeps its payee; an operator may still stop it.
    """
    now = funding.world.clock.now()
    await Wallets(conn).lock_wallet(account_id, now)

    def is_theirs(each: Withdrawal) -> bool:
        return each.actor in actors and each.asked_at >= since

    withdrawals = await end_uncalled(conn, funding, account_id, _WHY, of=is_theirs)
    payees = []
    for payee, address in await payee_store.list_payees(conn, account_id):
        theirs = payee.actor in actors and payee.added_at >= since
        if theirs and not await withdrawal_store.count_open_to(conn, payee.id):
            await payee_store.set_removed(conn, payee.id, now)
            payees.append((payee, address or ""))
    wanted = await auto_store.lock(conn, account_id)
    charges = wanted is not None and wanted.enabled and wanted.actor in actors and wanted.changed_at >= since
    if charges:
        await auto_store.switch_off(conn, account_id, now, by)
    return UndoneFunding(withdrawals, payees, charges)
