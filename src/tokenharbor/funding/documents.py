"""The JSON documents of payments, refunds and disputes, shared by commands, the control API and pages.

An `amount` is a decimal string in its `currency`, with two places.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from tokenharbor.funding.balances import AddressBalances
from tokenharbor.funding.dispute_store import Dispute
from tokenharbor.funding.pretended import KeptCredit
from tokenharbor.funding.reconcile import ClearingTotal, Reconciliation, RecordDifference
from tokenharbor.funding.refund_types import Refund, RefundOrigin, RefundProgress
from tokenharbor.funding.refunds import LeavingCredit, RefundPreview
from tokenharbor.funding.top_up_balances import NOTHING_PAID, TopUpBalance
from tokenharbor.funding.types import ExchangeRate, TopUp, TopUpMatch, TopUpState
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Restriction
from tokenharbor.payments.types import DisputeState


class TopUpMatchDocument(Document, frozen=True):
    """The match of a top-up: a dollar of it unlocks for each dollar spent of that top-up, until `expires_at`.
    `cancelled_usd` was taken back with the top-up's credit, or expired.
    """

    granted_usd: Usd
    unlocked_usd: Usd
    locked_usd: Usd
    cancelled_usd: Usd
    expires_at: datetime | None

    @classmethod
    def of(cls, match: TopUpMatch) -> Self:
        return cls(
            granted_usd=match.granted,
            unlocked_usd=match.unlocked,
            locked_usd=match.locked,
            cancelled_usd=match.cancelled,
            expires_at=to_second(match.expires_at),
        )


class TopUpDocument(Document, frozen=True):
    """A top-up. `amount` is the price, `tax` included; `credit_usd` is the credit agreed for it. `left_usd` of that is
    neither spent nor held nor returned; `refundable_usd` is what its customer can get back now.
    """

    id: str
    account: str
    state: TopUpState
    pretended: bool
    processor: str
    method: str
    amount: str
    tax: str
    currency: str
    credit_usd: Usd
    rate: str | None
    rate_until: datetime | None
    url: str | None
    capture: str | None
    automatic: bool
    actor: str
    confirmed_by: str | None
    created_at: datetime
    paid_at: datetime | None
    fault: str | None
    left_usd: Usd
    refundable_usd: Usd
    refundable_until: datetime | None
    match: TopUpMatchDocument | None

    @classmethod
    def of(cls, top_up: TopUp, balance: TopUpBalance = NOTHING_PAID) -> Self:
        return cls(
            id=top_up.shown_id,
            account=ids.show("acct", top_up.account_id),
            state=top_up.state,
            pretended=top_up.pretended,
            processor=top_up.processor,
            method=top_up.method,
            amount=top_up.money.decimal,
            tax=Money(top_up.money.currency, top_up.tax_minor).decimal,
            currency=top_up.money.currency,
            credit_usd=top_up.credit,
            rate=top_up.rate,
            rate_until=to_second(top_up.rate_until),
            url=top_up.url,
            capture=top_up.capture_id,
            automatic=top_up.automatic,
            actor=top_up.actor,
            confirmed_by=top_up.confirmed_by,
            created_at=to_second(top_up.created_at),
            paid_at=to_second(top_up.paid_at),
            fault=top_up.fault or None,
            left_usd=balance.left,
            refundable_usd=balance.refundable,
            refundable_until=to_second(balance.refundable_until),
            match=None if balance.match is None else TopUpMatchDocument.of(balance.match),
        )


class RefundDocument(Document, frozen=True):
    """A refund. `amount` is the money that goes back; `credit_usd` is the credit that leaves for it."""

    id: str
    account: str
    top_up: str
    state: RefundProgress
    origin: RefundOrigin
    amount: str
    currency: str
    credit_usd: Usd
    reduced_usd: Usd
    processor: str
    capture: str
    processor_refund: str | None
    actor: str
    decided_by: str | None
    settled_by: str | None
    reason: str | None
    asked_at: datetime
    ended_at: datetime | None
    fault: str | None

    @classmethod
    def of(cls, refund: Refund) -> Self:
        return cls(
            id=refund.shown_id,
            account=ids.show("acct", refund.account_id),
            top_up=ids.show("topup", refund.top_up_id),
            state=refund.state,
            origin=refund.origin,
            amount=refund.money.decimal,
            currency=refund.money.currency,
            credit_usd=refund.amount,
            reduced_usd=refund.reduced,
            processor=refund.processor,
            capture=refund.capture_id,
            processor_refund=refund.processor_refund_id,
            actor=refund.actor,
            decided_by=refund.decided_by,
            settled_by=refund.settled_by,
            reason=refund.reason or None,
            asked_at=to_second(refund.asked_at),
            ended_at=to_second(refund.ended_at),
            fault=refund.fault or None,
        )


class LeavingCreditDocument(Document, frozen=True):
    """Credit that leaves a lot: its locked part if `restriction` says so, its spendable part if that is null."""

    lot: str
    usd: Usd
    restriction: Restriction | None

    @classmethod
    def of(cls, found: LeavingCredit) -> Self:
        return cls(lot=ids.show("lot", found.lot_id), usd=found.amount, restriction=found.restriction)


class RefundPreviewDocument(Document, frozen=True):
    """What a refund would do. `reduced_usd` is cashback that was spent, which the payer does not get back; `locked_usd`
    and `cashback_usd` are taken back besides. `leaving` is all credit that leaves, by lot; `max_usd` is the highest
    amount that can be asked for. `review`: an operator decides first.
    """

    top_up: str
    amount: str
    currency: str
    credit_usd: Usd
    locked_usd: Usd
    cashback_usd: Usd
    reduced_usd: Usd
    leaving: Sequence[LeavingCreditDocument]
    max_usd: Usd
    review: bool

    @classmethod
    def of(cls, preview: RefundPreview) -> Self:
        return cls(
            top_up=ids.show("topup", preview.top_up_id),
            amount=preview.returned.money.decimal,
            currency=preview.returned.money.currency,
            credit_usd=preview.returned.amount,
            locked_usd=preview.rewards.locked,
            cashback_usd=preview.rewards.cashback,
            reduced_usd=preview.rewards.reduced,
            leaving=[LeavingCreditDocument.of(each) for each in preview.leaving],
            max_usd=preview.most,
            review=preview.review,
        )


class KeptCreditDocument(Document, frozen=True):
    """A pretended top-up of which some credit stays, and why."""

    top_up: str
    reason: str

    @classmethod
    def of(cls, kept: KeptCredit) -> Self:
        return cls(top_up=ids.show("topup", kept.top_up_id), reason=kept.reason)


class DisputeDocument(Document, frozen=True):
    """A disputed payment. `taken_usd` is the credit that left for it, `frozen_usd` the credit set aside until its end,
    `lost_usd` our loss.
    """

    id: str
    account: str
    top_up: str
    state: DisputeState
    amount: str
    currency: str
    frozen_usd: Usd
    taken_usd: Usd
    lost_usd: Usd
    processor: str
    dispute: str
    capture: str
    opened_at: datetime
    respond_until: datetime | None
    ended_at: datetime | None
    fault: str | None

    @classmethod
    def of(cls, dispute: Dispute) -> Self:
        return cls(
            id=dispute.shown_id,
            account=ids.show("acct", dispute.account_id),
            top_up=ids.show("topup", dispute.top_up_id),
            state=dispute.state,
            amount=dispute.money.decimal,
            currency=dispute.money.currency,
            frozen_usd=dispute.frozen,
            taken_usd=dispute.taken,
            lost_usd=dispute.lost,
            processor=dispute.processor,
            dispute=dispute.dispute_id,
            capture=dispute.capture_id,
            opened_at=to_second(dispute.opened_at),
            respond_until=to_second(dispute.respond_until),
            ended_at=to_second(dispute.ended_at),
            fault=dispute.fault or None,
        )


class AddressBalancesDocument(Document, frozen=True):
    """The balance of each address outside of accounts. `accounts_usd` is the sum of all accounts."""

    balances_usd: Mapping[str, Usd]
    accounts_usd: Usd
    difference_usd: Usd

    @classmethod
    def of(cls, found: AddressBalances) -> Self:
        balances = {each.address: each.amount for each in found.balances}
        return cls(balances_usd=balances, accounts_usd=found.accounts, difference_usd=found.difference)


class RecordDifferenceDocument(Document, frozen=True):
    """A difference: what our record and theirs say of one thing; `-` where one has none."""

    what: str
    ours: str
    theirs: str

    @classmethod
    def of(cls, found: RecordDifference) -> Self:
        return cls(what=found.what, ours=found.ours, theirs=found.theirs)


class ClearingTotalDocument(Document, frozen=True):
    """A processor's clearing account in one currency, with signs. `closing` is the total of the statement."""

    currency: str
    ours: str
    theirs: str
    fees_apart: str
    transfers: str
    other: str
    closing: str

    @classmethod
    def of(cls, total: ClearingTotal) -> Self:
        return cls(
            currency=total.currency,
            ours=_signed(total.ours),
            theirs=_signed(total.theirs),
            fees_apart=_signed(total.fees),
            transfers=_signed(total.transfers),
            other=_signed(total.others),
            closing=_signed(total.closing),
        )


class ReconciliationDocument(Document, frozen=True):
    """Our record compared with a statement: the number of things compared, the differences, and the fees by side."""

    compared: int
    differences: Sequence[RecordDifferenceDocument]
    totals: Sequence[ClearingTotalDocument]
    fees_usd: Mapping[str, Usd]

    @classmethod
    def of(cls, found: Reconciliation) -> Self:
        ours, theirs = found.fees
        return cls(
            compared=found.compared,
            differences=[RecordDifferenceDocument.of(each) for each in found.differences],
            totals=[ClearingTotalDocument.of(each) for each in found.totals],
            fees_usd={"ours": ours, "theirs": theirs},
        )


class ExchangeRateDocument(Document, frozen=True):
    """An exchange rate. `per_usd` is the price of a US dollar in units of the currency."""

    currency: str
    per_usd: str
    set_at: datetime
    ends_at: datetime | None
    actor: str
    waits: bool
    confirmed_by: str | None

    @classmethod
    def of(cls, rate: ExchangeRate) -> Self:
        return cls(
            currency=rate.currency,
            per_usd=rate.per_usd,
            set_at=to_second(rate.set_at),
            ends_at=to_second(rate.ends_at),
            actor=rate.actor,
            waits=rate.waits,
            confirmed_by=rate.confirmed_by,
        )


def _signed(minor: int) -> str:
    return "-" * (minor < 0) + "%d.%02d" % divmod(abs(minor), 100)  # noqa: UP031  as in Money
