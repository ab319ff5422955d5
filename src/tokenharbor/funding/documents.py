"""The JSON documents of money that comes and goes: decimal strings, times in UTC to the second, ids as shown."""

from typing import Any

from tokenharbor.funding.balances import AddressBalances
from tokenharbor.funding.dispute_store import Dispute
from tokenharbor.funding.reconcile import Reconciliation
from tokenharbor.funding.refund_types import Refund
from tokenharbor.funding.refunds import RefundPreview
from tokenharbor.funding.types import AutoTopUp, ExchangeRate, TopUp
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.money import Money


def top_up_document(top_up: TopUp) -> dict[str, Any]:
    """`amount` is what is paid, `tax` in it included, in `currency`; `credit_usd` what was agreed for it."""
    return {
        "id": top_up.shown_id,
        "account": ids.show("acct", top_up.account_id),
        "state": top_up.state.value,
        "pretended": top_up.pretended,
        "processor": top_up.processor,
        "method": top_up.method,
        "amount": top_up.money.decimal,
        "tax": Money(top_up.money.currency, top_up.tax_minor).decimal,
        "currency": top_up.money.currency,
        "credit_usd": str(top_up.credit),
        "rate": top_up.rate,
        "rate_until": show_time(top_up.rate_until),
        "url": top_up.url,
        "capture": top_up.capture_id,
        "automatic": top_up.automatic,
        "actor": top_up.actor,
        "confirmed_by": top_up.confirmed_by,
        "created_at": show_time(top_up.created_at),
        "paid_at": show_time(top_up.paid_at),
        "fault": top_up.fault or None,
    }


def refund_document(refund: Refund) -> dict[str, Any]:
    """`amount` is what comes back, in `currency`; `credit_usd` the credit that leaves for it."""
    return {
        "id": refund.shown_id,
        "account": ids.show("acct", refund.account_id),
        "top_up": ids.show("topup", refund.top_up_id),
        "state": refund.state.value,
        "origin": refund.origin.value,
        "amount": refund.money.decimal,
        "currency": refund.money.currency,
        "credit_usd": str(refund.amount),
        "reduced_usd": str(refund.reduced),
        "processor": refund.processor,
        "capture": refund.capture_id,
        "processor_refund": refund.processor_refund_id,
        "actor": refund.actor,
        "decided_by": refund.decided_by,
        "reason": refund.reason or None,
        "asked_at": show_time(refund.asked_at),
        "ended_at": show_time(refund.ended_at),
        "fault": refund.fault or None,
    }


def refund_preview_document(preview: RefundPreview) -> dict[str, Any]:
    """`reduced_usd` is cashback that was spent; `locked_usd` and `cashback_usd` are taken back besides."""
    return {
        "top_up": ids.show("topup", preview.top_up_id),
        "amount": preview.returned.money.decimal,
        "currency": preview.returned.money.currency,
        "credit_usd": str(preview.returned.amount),
        "locked_usd": str(preview.rewards.locked),
        "cashback_usd": str(preview.rewards.cashback),
        "reduced_usd": str(preview.rewards.reduced),
        "review": preview.review,
    }


def dispute_document(dispute: Dispute) -> dict[str, Any]:
    """`taken_usd` is credit that left for it, `frozen_usd` what waits for its end, `lost_usd` our loss."""
    return {
        "id": dispute.shown_id,
        "account": ids.show("acct", dispute.account_id),
        "top_up": ids.show("topup", dispute.top_up_id),
        "state": dispute.state.value,
        "amount": dispute.money.decimal,
        "currency": dispute.money.currency,
        "frozen_usd": str(dispute.frozen),
        "taken_usd": str(dispute.taken),
        "lost_usd": str(dispute.lost),
        "processor": dispute.processor,
        "dispute": dispute.dispute_id,
        "capture": dispute.capture_id,
        "opened_at": show_time(dispute.opened_at),
        "respond_until": show_time(dispute.respond_until),
        "ended_at": show_time(dispute.ended_at),
        "fault": dispute.fault or None,
    }


def balances_document(found: AddressBalances) -> dict[str, Any]:
    """`accounts_usd` is what all accounts have together."""
    return {
        "balances_usd": {each.address: str(each.amount) for each in found.balances},
        "accounts_usd": str(found.accounts),
        "difference_usd": str(found.difference),
    }


def reconciliation_document(found: Reconciliation) -> dict[str, Any]:
    """`totals`, of processors, are signed, in their currency: `closing` is all that the statement has."""
    return {
        "compared": found.compared,
        "differences": [{"what": each.what, "ours": each.ours, "theirs": each.theirs} for each in found.differences],
        "totals": [
            {
                "currency": each.currency,
                "ours": _signed(each.ours),
                "theirs": _signed(each.theirs),
                "fees_apart": _signed(each.fees),
                "transfers": _signed(each.transfers),
                "other": _signed(each.others),
                "closing": _signed(each.closing),
            }
            for each in found.totals
        ],
        "fees_usd": {"ours": str(found.fees[0]), "theirs": str(found.fees[1])},
    }


def _signed(minor: int) -> str:
    return "-" * (minor < 0) + "%d.%02d" % divmod(abs(minor), 100)  # noqa: UP031  as in Money


def auto_top_up_document(wanted: AutoTopUp) -> dict[str, Any]:
    return {
        "account": ids.show("acct", wanted.account_id),
        "enabled": wanted.enabled,
        "processor": wanted.processor,
        "threshold_usd": str(wanted.threshold),
        "amount_usd": str(wanted.amount),
        "month_usd": str(wanted.month_most),
        "changed_at": show_time(wanted.changed_at),
        "actor": wanted.actor,
        "stopped_at": show_time(wanted.stopped_at),
        "stop_reason": wanted.stop_reason or None,
    }


def exchange_rate_document(rate: ExchangeRate) -> dict[str, Any]:
    """`per_usd` is in units of the currency for a US dollar."""
    return {
        "currency": rate.currency,
        "per_usd": rate.per_usd,
        "set_at": show_time(rate.set_at),
        "ends_at": show_time(rate.ends_at),
        "actor": rate.actor,
        "waits": rate.waits,
        "confirmed_by": rate.confirmed_by,
    }
