"""The documents of an account's credit: its balance, its lots, and its ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Self

from msgspec import UNSET, UnsetType

from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.entry_list import ListedEntry
from tokenharbor.ledger.lots import LotBalance
from tokenharbor.ledger.open_holds import HeldCredit, OpenHold
from tokenharbor.ledger.types import Balance, Credit, Pool, Restriction


class BalanceDocument(Document, frozen=True):
    """The spendable balance, the amount held, the debt, and the rest of every pool, held credit included. An account in
    debt cannot spend; the next credit pays the debt first.
    """

    balance_usd: Usd
    held_usd: Usd
    debt_usd: Usd
    pools: Mapping[Pool, Usd]
    currency: Literal["USD"] | UnsetType = UNSET

    @classmethod
    def of(cls, balance: Balance) -> Self:
        pools = {pool: balance.pools.get(pool, ZERO) for pool in Pool}
        return cls(balance_usd=balance.available, held_usd=balance.held, debt_usd=balance.debt, pools=pools)


class CreditDocument(Document, frozen=True):
    """A granted credit; `id` is its entry's."""

    id: str
    account: str
    usd: Usd
    pool: Pool
    expires_at: datetime | None

    @classmethod
    def of(cls, credit: Credit) -> Self:
        return cls(
            id=ids.show("ent", credit.entry_id),
            account=ids.show("acct", credit.account_id),
            usd=credit.amount,
            pool=credit.pool,
            expires_at=to_second(credit.expires_at),
        )


class LotDocument(Document, frozen=True):
    """The rest of a lot; `held_usd` of it is reserved for open requests. `restriction` says why it cannot be spent, if
    so: it is locked or being paid out. `more` has the ids of similar lots next to it that were joined into this one.
    """

    id: str
    more: Sequence[str]
    pool: Pool
    origin: str
    granted_usd: Usd
    remaining_usd: Usd
    held_usd: Usd
    restriction: Restriction | None
    granted_at: datetime
    expires_at: datetime | None
    refundable_until: datetime | None

    @classmethod
    def of(cls, found: LotBalance) -> Self:
        lot = found.lot
        return cls(
            id=ids.show("lot", lot.id),
            more=[ids.show("lot", each) for each in found.more],
            pool=lot.pool,
            origin=lot.origin,
            granted_usd=lot.amount,
            remaining_usd=found.remaining,
            held_usd=found.held,
            restriction=found.restriction,
            granted_at=to_second(lot.granted_at),
            expires_at=to_second(lot.expires_at),
            refundable_until=to_second(lot.refundable_until),
        )


class HoldDocument(Document, frozen=True):
    """A hold of a request that has not ended. `model` is known only for a task (a video); other requests record it when
    they end. A task is not `open`. Any other hold that is not `open` is of a server that is gone: its next start bills
    the request or gives the hold back.
    """

    request: str
    key: str
    key_name: str
    model: str | None
    since: datetime
    usd: Usd
    open: bool

    @classmethod
    def of(cls, found: OpenHold) -> Self:
        return cls(
            request=ids.show("req", found.request_id),
            key=ids.show("key", found.key_id),
            key_name=found.key_name,
            model=found.model,
            since=to_second(found.since),
            usd=found.amount,
            open=found.open,
        )


class HeldCreditDocument(Document, frozen=True):
    """The total held of an account, the number of holds, and the oldest of them."""

    held_usd: Usd
    count: int
    oldest: Sequence[HoldDocument]

    @classmethod
    def of(cls, found: HeldCredit) -> Self:
        return cls(held_usd=found.held, count=found.count, oldest=[HoldDocument.of(each) for each in found.oldest])


class LedgerEntryDocument(Document, frozen=True):
    """An entry: its change of the spendable and held credit, in total and by pool, and that credit after it
    (`balance_usd`). `locked_usd` is its change of locked credit, which is not in `balance_usd`. `order` is the id of
    the top-up, the request or the entry.
    """

    id: str
    at: datetime
    type: str
    usd: Usd
    locked_usd: Usd
    balance_usd: Usd
    pools: Mapping[Pool, Usd]
    order: str
    captures: Sequence[str]

    @classmethod
    def of(cls, found: ListedEntry) -> Self:
        return cls(
            id=ids.show("ent", found.id),
            at=to_second(found.at),
            type=found.kind,
            usd=found.amount,
            locked_usd=found.locked,
            balance_usd=found.balance,
            pools=found.pools,
            order=found.order_id,
            captures=found.capture_ids,
        )
