"""The outside's knowledge: requests and their answers. Nothing here is read from the database."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from tests.money.stage import TokenPrice

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer


@dataclass
class SentRequest:
    """A request as its sender knows it: its price when quoted, its hold, its charge."""

    id: UUID
    payer: Payer
    price: TokenPrice
    bound: Usd
    at: datetime
    charge: Usd | None = None
    open: bool = True


@dataclass
class OutsideView:
    """The knowledge of each account from customers, operators and the gateway's answers."""

    gifts: Counter[UUID] = field(default_factory=Counter)
    requests: list[SentRequest] = field(default_factory=list)
    code_uses: dict[UUID, int] = field(default_factory=dict)
    instruments: set[str] = field(default_factory=set)

    def spent(self, account_id: UUID) -> int:
        return sum(each.charge or 0 for each in self.requests if each.payer.account_id == account_id)

    def held(self, account_id: UUID) -> int:
        return sum(each.bound for each in self.requests if each.open and each.payer.account_id == account_id)
