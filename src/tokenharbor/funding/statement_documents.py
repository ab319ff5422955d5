"""The JSON documents of statements, shared by the control API and pages."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Self

from tokenharbor.funding.statements import DailyCharge, PoolMovement, Statement, StatementPayment
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.types import Pool


class PoolMovementDocument(Document, frozen=True):
    """The sum of all entries of a type in a pool."""

    type: str
    pool: Pool
    usd: Usd

    @classmethod
    def of(cls, found: PoolMovement) -> Self:
        return cls(type=found.kind, pool=found.pool, usd=found.amount)


class DailyChargeDocument(Document, frozen=True):
    """Charges for a model on a day (UTC); `fee_usd` is the service fee in them. `model` is "" if it was erased."""

    day: date
    model: str
    requests: int
    cost_usd: Usd
    fee_usd: Usd

    @classmethod
    def of(cls, found: DailyCharge) -> Self:
        return cls(day=found.day, model=found.model, requests=found.requests, cost_usd=found.cost, fee_usd=found.fee)


class StatementPaymentDocument(Document, frozen=True):
    """A credited top-up. `amount` includes `tax`; both are in `currency`."""

    at: datetime
    top_up: str
    processor: str
    capture: str
    amount: str
    tax: str
    currency: str
    credit_usd: Usd

    @classmethod
    def of(cls, found: StatementPayment) -> Self:
        return cls(
            at=to_second(found.at),
            top_up=found.order_id,
            processor=found.processor,
            capture=found.capture_id,
            amount=found.money.decimal,
            tax=found.tax.decimal,
            currency=found.money.currency,
            credit_usd=found.credited,
        )


class StatementDocument(Document, frozen=True):
    """An account's credit in [since, until): opening balance + movements = closing balance, in each pool. Held amounts
    count as balance.
    """

    account: str
    since: datetime
    until: datetime
    opening_usd: Usd
    closing_usd: Usd
    opening: Mapping[Pool, Usd]
    movements: Sequence[PoolMovementDocument]
    closing: Mapping[Pool, Usd]
    usage: Sequence[DailyChargeDocument]
    payments: Sequence[StatementPaymentDocument]

    @classmethod
    def of(cls, found: Statement) -> Self:
        return cls(
            account=ids.show("acct", found.account.id),
            since=to_second(found.span.since),
            until=to_second(found.span.until),
            opening_usd=sum(found.opening.values(), ZERO),
            closing_usd=sum(found.closing.values(), ZERO),
            opening=found.opening,
            movements=[PoolMovementDocument.of(each) for each in found.movements],
            closing=found.closing,
            usage=[DailyChargeDocument.of(each) for each in found.charges],
            payments=[StatementPaymentDocument.of(each) for each in found.payments],
        )
