"""The words of notices: facts as people and programs read them, the mail and the webhook of each kind."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokenharbor.alerts.types import Notice, NoticeKind
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.ids import UUID, Kind
from tokenharbor.kernel.money import Money, Usd

_IDS: Final[Mapping[str, Kind]] = {
    "top_up_id": "topup",
    "refund_id": "refund",
    "dispute_id": "dispute",
    "withdrawal_id": "withdrawal",
    "key_id": "key",
    "lot_id": "lot",
}

_WORDS: Final[Mapping[NoticeKind, tuple[str, str]]] = {
    NoticeKind.LOW_BALANCE: (
        "Low balance: {left_usd} USD left",
        "The balance has fallen below {threshold_usd} USD: {left_usd} USD are left. Without credit, requests fail.",
    ),
    NoticeKind.DAILY_BUDGET: (
        "{percent}% of the daily budget is spent",
        "{spent_usd} USD of the budget of {budget_usd} USD are spent on {of} (UTC). What does not fit is refused.",
    ),
    NoticeKind.MONTHLY_BUDGET: (
        "{percent}% of the monthly budget is spent",
        "{spent_usd} USD of the budget of {budget_usd} USD are spent in {of} (UTC). What does not fit is refused.",
    ),
    NoticeKind.KEY_QUOTA: (
        "An API key has spent {percent}% of its quota",
        "{key} has spent {spent_usd} USD of its quota of {quota_usd} USD. What does not fit is refused.",
    ),
    NoticeKind.CREDIT_EXPIRING: (
        "Credit expires soon: {left_usd} USD",
        "{left_usd} USD of credit ({pool}) expire at {expires_at} unless they are spent before.",
    ),
    NoticeKind.TOP_UP_RECEIVED: (
        "Top-up received: {credit_usd} USD of credit",
        "{amount} were paid, and {credit_usd} USD of credit added. The top-up is {top_up}.",
    ),
    NoticeKind.AUTO_TOP_UP_MADE: (
        "Auto top-up made: {credit_usd} USD of credit",
        "The saved method was charged {amount}, and {credit_usd} USD of credit added. The top-up is {top_up}.",
    ),
    NoticeKind.AUTO_TOP_UP_STOPPED: (
        "Auto top-up is stopped",
        "Auto top-up was switched off: {reason}. It stays off until you switch it on again.",
    ),
    NoticeKind.REFUND_MADE: (
        "Refund made: {amount}",
        "{amount} of the top-up {top_up} go back to what paid it. The refund is {refund}.",
    ),
    NoticeKind.DISPUTE_OPENED: (
        "A payment is disputed: {amount}",
        "{amount} of the top-up {top_up} are disputed. Its unused credit is frozen until the dispute, {dispute}, ends.",
    ),
    NoticeKind.DISPUTE_WON: (
        "A dispute is over: the payment stands",
        "The payment for the top-up {top_up} stands: its credit can be used again. The dispute was {dispute}.",
    ),
    NoticeKind.DISPUTE_LOST: (
        "A dispute is over: {amount} went back to the payer",
        "The credit of the top-up {top_up} went with it; what was spent of it is debt. The dispute was {dispute}.",
    ),
    NoticeKind.WITHDRAWAL_ASKED: (
        "Withdrawal asked for: {amount}",
        "{credit_usd} USD of credit are set aside for it. If it was not you, tell us at once. It is {withdrawal}.",
    ),
    NoticeKind.WITHDRAWAL_APPROVED: (
        "Withdrawal approved: {amount}",
        "{amount} are approved and will be paid out. The withdrawal is {withdrawal}.",
    ),
    NoticeKind.WITHDRAWAL_DONE: (
        "Withdrawal paid out: {amount}",
        "{amount} were paid out for {credit_usd} USD of credit. The withdrawal is {withdrawal}.",
    ),
    NoticeKind.WITHDRAWAL_FAILED: (
        "Withdrawal failed: {amount}",
        "{amount} could not be paid out: the credit is back. The withdrawal is {withdrawal}.",
    ),
    NoticeKind.WITHDRAWAL_REJECTED: (
        "Withdrawal rejected: {amount}",
        "{amount} are not paid out: the credit is back. The withdrawal is {withdrawal}.",
    ),
    NoticeKind.PRICE_CHANGE: (
        "The price of {model} changes",
        "The price of {model} changes at {since}, for requests from then on. You have used it in the last 30 days.",
    ),
    NoticeKind.MODEL_RETIREMENT: (
        "{model} is retired",
        "{model} is retired at {since}: requests for it may fail from then on. You have used it in the last 30 days.",
    ),
    NoticeKind.TEST: ("Test of alerts", "This is a test. Alerts reach this address."),
}


def read_facts(notice: Notice) -> Mapping[str, Any]:
    """For programs: ids as they are shown, amounts as decimal strings."""
    return dict(_shown(name, value, notice.facts, str) for name, value in notice.facts.items())


def notice_subject(notice: Notice) -> str:
    return _WORDS[notice.kind][0].format_map(_brief(notice))


def notice_body(notice: Notice, public_url: str) -> str:
    """What has happened, to which account and when, and who says so."""
    pretended = "No money has moved: the payment was pretended.\n" if notice.facts.get("pretended") else ""
    return (
        f"{_WORDS[notice.kind][1].format_map(_brief(notice))}\n{pretended}\n"
        f"Account: {ids.show('acct', notice.account_id)}\nTime: {show_time(notice.at)}\nServer: {public_url}\n"
    )


def notice_json(notice: Notice) -> bytes:
    """The body of a webhook."""
    return msgspec.json.encode(
        {
            "id": str(notice.id),
            "type": notice.kind.value,
            "account": ids.show("acct", notice.account_id),
            "at": show_time(notice.at),
            "facts": read_facts(notice),
        }
    )


def _brief(notice: Notice) -> Mapping[str, Any]:
    """For sentences."""
    return dict(_shown(name, value, notice.facts, Usd.brief_down) for name, value in notice.facts.items())


def _shown(name: str, value: Any, facts: Mapping[str, Any], show_usd: Any) -> tuple[str, Any]:
    if name in _IDS:
        return name.removesuffix("_id"), ids.show(_IDS[name], UUID(value))
    if name.endswith("_nano"):
        return name.replace("_nano", "_usd"), show_usd(Usd(value))
    if name == "amount_minor":
        return "amount", str(Money(facts["currency"], value))
    return name, value
