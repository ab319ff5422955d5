"""The JSON documents of withdrawals and payees: decimal strings, times in UTC to the second, ids as shown."""

from typing import Any

from tokenharbor.funding.withdrawable import LotOutlook
from tokenharbor.funding.withdrawal_types import SavedPayee, Withdrawal
from tokenharbor.funding.withdrawals import AccountOutlook, WithdrawalPreview
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time


def withdrawal_document(withdrawal: Withdrawal) -> dict[str, Any]:
    """`amount` is what is paid, in `currency`; `credit_usd` the credit that leaves for it. `to` is a payee, or the
    refund by which it goes back to what paid.
    """
    return {
        "id": withdrawal.shown_id,
        "account": ids.show("acct", withdrawal.account_id),
        "state": withdrawal.state.value,
        "pretended": withdrawal.pretended,
        "to": _to(withdrawal),
        "amount": withdrawal.money.decimal,
        "currency": withdrawal.money.currency,
        "credit_usd": str(withdrawal.amount),
        "fee_usd": str(withdrawal.fee),
        "lots": [
            {"lot": ids.show("lot", part.lot_id), "amount_usd": str(part.amount), "reduced_usd": str(part.reduced)}
            for part in withdrawal.parts
        ],
        "processor": withdrawal.processor,
        "processor_payout": withdrawal.processor_payout_id,
        "actor": withdrawal.actor,
        "decided_by": withdrawal.decided_by,
        "reason": withdrawal.reason or None,
        "asked_at": show_time(withdrawal.asked_at),
        "decided_at": show_time(withdrawal.decided_at),
        "ended_at": show_time(withdrawal.ended_at),
        "fault": withdrawal.fault or None,
    }


def withdrawal_preview_document(preview: WithdrawalPreview) -> dict[str, Any]:
    """`reduced_usd` is cashback that was spent; `locked_usd` and `cashback_usd` are taken back besides."""
    withdrawal = preview.withdrawal
    return {
        "account": ids.show("acct", withdrawal.account_id),
        "amount": withdrawal.money.decimal,
        "currency": withdrawal.money.currency,
        "credit_usd": str(withdrawal.amount),
        "locked_usd": str(preview.rewards.locked),
        "cashback_usd": str(preview.rewards.cashback),
        "reduced_usd": str(preview.rewards.reduced),
        "processor": withdrawal.processor,
        "pretended": withdrawal.pretended,
        "approval": withdrawal.state.value == "asked",
    }


def account_outlook_document(outlook: AccountOutlook) -> dict[str, Any]:
    """`day_left_usd` is what may still be asked for today (UTC); `frozen` says why nothing leaves now."""
    return {
        "account": ids.show("acct", outlook.account_id),
        "frozen": outlook.frozen or None,
        "day_left_usd": str(outlook.day_left),
        "lots": [_lot(each) for each in outlook.lots],
    }


def payee_document(payee: SavedPayee, address: str | None) -> dict[str, Any]:
    """`address` is None where it was erased, or is not shown."""
    return {
        "id": payee.shown_id,
        "account": ids.show("acct", payee.account_id),
        "processor": payee.processor,
        "kind": payee.kind,
        "address": address,
        "actor": payee.actor,
        "added_at": show_time(payee.added_at),
        "verified_at": show_time(payee.verified_at),
        "verified_by": payee.verified_by,
        "removed_at": show_time(payee.removed_at),
    }


def _lot(outlook: LotOutlook) -> dict[str, Any]:
    """`since` is when it may leave; None where that is not known, or never."""
    return {
        "lot": ids.show("lot", outlook.lot.id),
        "origin": outlook.lot.origin,
        "amount_usd": str(outlook.amount),
        "way": outlook.way.value,
        "to": None if outlook.top_up_id is None else ids.show("topup", outlook.top_up_id),
        "since": show_time(outlook.since),
        "why": outlook.why or None,
    }


def _to(withdrawal: Withdrawal) -> str:
    if withdrawal.payee_id is not None:
        return ids.show("payee", withdrawal.payee_id)
    assert withdrawal.refund_id is not None, "it goes to one of the two"  # noqa: S101  for mypy
    return ids.show("refund", withdrawal.refund_id)
