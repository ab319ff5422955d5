"""The JSON documents of withdrawals and payees, shared by commands, the control API and pages.

An `amount` is a decimal string in its `currency`, with two places.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from tokenharbor.funding.withdrawable import (
    WITHHELD_WORDS,
    DestinationKind,
    LotOutlook,
    WithdrawalDestination,
    WithheldReason,
    join_outlooks,
)
from tokenharbor.funding.withdrawal_types import SavedPayee, Withdrawal, WithdrawalPart, WithdrawalProgress
from tokenharbor.funding.withdrawals import AccountOutlook, WithdrawalPreview
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason


class WithdrawalPartDocument(Document, frozen=True):
    """The credit that a lot gives for a payout; `reduced_usd` more leaves the lot for cashback that was spent."""

    lot: str
    amount_usd: Usd
    reduced_usd: Usd

    @classmethod
    def of(cls, part: WithdrawalPart) -> Self:
        return cls(lot=ids.show("lot", part.lot_id), amount_usd=part.amount, reduced_usd=part.reduced)


class WithdrawalDocument(Document, frozen=True):
    """A withdrawal. `amount` is the money paid out; `credit_usd` is the credit that leaves for it. `to` is a payee, or
    the refund by which it goes back to its top-up's payment.
    """

    id: str
    account: str
    state: WithdrawalProgress
    pretended: bool
    to: str
    amount: str
    currency: str
    credit_usd: Usd
    fee_usd: Usd
    lots: Sequence[WithdrawalPartDocument]
    processor: str
    processor_payout: str | None
    actor: str
    decided_by: str | None
    settled_by: str | None
    reason: str | None
    asked_at: datetime
    decided_at: datetime | None
    ended_at: datetime | None
    fault: str | None

    @classmethod
    def of(cls, withdrawal: Withdrawal) -> Self:
        return cls(
            id=withdrawal.shown_id,
            account=ids.show("acct", withdrawal.account_id),
            state=withdrawal.state,
            pretended=withdrawal.pretended,
            to=_to(withdrawal),
            amount=withdrawal.money.decimal,
            currency=withdrawal.money.currency,
            credit_usd=withdrawal.amount,
            fee_usd=withdrawal.fee,
            lots=[WithdrawalPartDocument.of(part) for part in withdrawal.parts],
            processor=withdrawal.processor,
            processor_payout=withdrawal.processor_payout_id,
            actor=withdrawal.actor,
            decided_by=withdrawal.decided_by,
            settled_by=withdrawal.settled_by,
            reason=withdrawal.reason or None,
            asked_at=to_second(withdrawal.asked_at),
            decided_at=to_second(withdrawal.decided_at),
            ended_at=to_second(withdrawal.ended_at),
            fault=withdrawal.fault or None,
        )


class WithdrawalPreviewDocument(Document, frozen=True):
    """What a withdrawal would do. `reduced_usd` is cashback that was spent, which is not paid out; `locked_usd` and
    `cashback_usd` are taken back besides. `approval`: a person has to approve it.
    """

    account: str
    amount: str
    currency: str
    credit_usd: Usd
    locked_usd: Usd
    cashback_usd: Usd
    reduced_usd: Usd
    processor: str
    pretended: bool
    approval: bool

    @classmethod
    def of(cls, preview: WithdrawalPreview) -> Self:
        withdrawal = preview.withdrawal
        return cls(
            account=ids.show("acct", withdrawal.account_id),
            amount=withdrawal.money.decimal,
            currency=withdrawal.money.currency,
            credit_usd=withdrawal.amount,
            locked_usd=preview.rewards.locked,
            cashback_usd=preview.rewards.cashback,
            reduced_usd=preview.rewards.reduced,
            processor=withdrawal.processor,
            pretended=withdrawal.pretended,
            approval=withdrawal.state is WithdrawalProgress.ASKED,
        )


class LotOutlookDocument(Document, frozen=True):
    """The unspent credit of a lot, and how it can be withdrawn. `since` is when it can; null if unknown or never."""

    lot: str
    origin: str
    amount_usd: Usd
    way: DestinationKind
    to: str | None
    since: datetime | None
    why: str | None
    why_code: WithheldReason | None

    @classmethod
    def of(cls, outlook: LotOutlook) -> Self:
        return cls(
            lot=ids.show("lot", outlook.lot.id),
            origin=outlook.lot.origin,
            amount_usd=outlook.amount,
            way=outlook.destination,
            to=None if outlook.top_up_id is None else ids.show("topup", outlook.top_up_id),
            since=to_second(outlook.since),
            why=None if outlook.why is None else WITHHELD_WORDS[outlook.why],
            why_code=outlook.why,
        )


class WithdrawalWayDocument(Document, frozen=True):
    """The credit that can be withdrawn now to one destination: the payment of `top_up`, or a payee if that is null."""

    top_up: str | None
    amount_usd: Usd

    @classmethod
    def of(cls, destination: WithdrawalDestination) -> Self:
        return cls(
            top_up=None if destination.top_up_id is None else ids.show("topup", destination.top_up_id),
            amount_usd=destination.amount,
        )


class AccountOutlookDocument(Document, frozen=True):
    """What an account can withdraw. `now_usd` can be withdrawn now, to the destinations in `ways`; `frozen` says why
    nothing can. `day_left_usd` is the rest of today's limit (UTC). Of the edition: `min_usd` is the least amount of a
    withdrawal; `approval`: a person approves each; `payee_days`: an unverified payee can be paid after that many days,
    0: never. `payee_kinds` are the kinds of addresses that each processor pays to. In `lots`, neighbours that can be
    withdrawn alike are joined.
    """

    account: str
    frozen: str | None
    frozen_code: ErrorReason | None
    now_usd: Usd
    day_left_usd: Usd
    min_usd: Usd
    approval: bool
    payee_days: int
    payee_kinds: Mapping[str, Sequence[str]]
    ways: Sequence[WithdrawalWayDocument]
    lots: Sequence[LotOutlookDocument]

    @classmethod
    def of(cls, outlook: AccountOutlook) -> Self:
        return cls(
            account=ids.show("acct", outlook.account_id),
            frozen=None if outlook.frozen is None else str(outlook.frozen),
            frozen_code=None if outlook.frozen is None else outlook.frozen.reason,
            now_usd=Usd(sum(each.amount for each in outlook.destinations)),
            day_left_usd=outlook.day_left,
            min_usd=outlook.policy.minimum,
            approval=outlook.policy.approval,
            payee_days=outlook.policy.payee_days,
            payee_kinds={name: sorted(kinds) for name, kinds in outlook.payee_kinds.items()},
            ways=[WithdrawalWayDocument.of(each) for each in outlook.destinations],
            lots=[LotOutlookDocument.of(each) for each in join_outlooks(outlook.lots)],
        )


class PayeeDocument(Document, frozen=True):
    """A payee. `address` is null if it was erased or is not shown."""

    id: str
    account: str
    processor: str
    kind: str
    address: str | None
    actor: str
    added_at: datetime
    verified_at: datetime | None
    verified_by: str | None
    removed_at: datetime | None

    @classmethod
    def of(cls, payee: SavedPayee, address: str | None) -> Self:
        return cls(
            id=payee.shown_id,
            account=ids.show("acct", payee.account_id),
            processor=payee.processor,
            kind=payee.kind,
            address=address,
            actor=payee.actor,
            added_at=to_second(payee.added_at),
            verified_at=to_second(payee.verified_at),
            verified_by=payee.verified_by,
            removed_at=to_second(payee.removed_at),
        )


def _to(withdrawal: Withdrawal) -> str:
    if withdrawal.payee_id is not None:
        return ids.show("payee", withdrawal.payee_id)
    assert withdrawal.refund_id is not None, "it goes to one of the two"  # noqa: S101  for mypy
    return ids.show("refund", withdrawal.refund_id)
