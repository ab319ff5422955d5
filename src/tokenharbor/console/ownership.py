"""Whose a thing is: what belongs to another account looks like what is not there."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from tokenharbor.kernel.errors import Missing, NotFound
from tokenharbor.kernel.ids import UUID


class Owned(Protocol):
    """What belongs to an account."""

    @property
    def account_id(self) -> UUID: ...


OwnedT = TypeVar("OwnedT", bound=Owned)


async def own(reading: Awaitable[OwnedT], account: UUID, what: str) -> OwnedT:
    """What is read, if it is the account's. `what` it is, in words. Raises NotFound."""
    try:
        found = await reading
    except Missing:
        raise NotFound(f"There is no such {what}.") from None
    if found.account_id != account:
        raise NotFound(f"There is no such {what}.")
    return found
