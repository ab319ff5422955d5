"""Ownership checks: a row of another account is answered like a missing one."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from tokenharbor.kernel.errors import Missing, NotFound
from tokenharbor.kernel.ids import UUID


class Owned(Protocol):
    """A row that belongs to an account."""

    @property
    def account_id(self) -> UUID: ...


OwnedT = TypeVar("OwnedT", bound=Owned)


async def check_owner(reading: Awaitable[OwnedT], account: UUID, what: str) -> OwnedT:
    """Return the row if it belongs to the account. `what` names its kind in the error. Raises NotFound."""
    try:
        found = await reading
    except Missing:
        raise NotFound(f"There is no such {what}.") from None
    if found.account_id != account:
        raise NotFound(f"There is no such {what}.")
    return found
