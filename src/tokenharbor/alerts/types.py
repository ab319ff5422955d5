"""The types of alerts: what an account wants to be told, what it was told, and how that was delivered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason


class NoticeKind(StrEnum):
    """What customers are told. The values are in rows, documents and webhooks."""

    LOW_BALANCE = "low_balance"
    DAILY_BUDGET = "daily_budget"
    MONTHLY_BUDGET = "monthly_budget"
    KEY_QUOTA = "key_quota"
    CREDIT_EXPIRING = "credit_expiring"
    TOP_UP_RECEIVED = "top_up_received"
    AUTO_TOP_UP_MADE = "auto_top_up_made"
    AUTO_TOP_UP_STOPPED = "auto_top_up_stopped"
    REFUND_MADE = "refund_made"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    WITHDRAWAL_ASKED = "withdrawal_asked"
    WITHDRAWAL_APPROVED = "withdrawal_approved"
    WITHDRAWAL_DONE = "withdrawal_done"
    WITHDRAWAL_FAILED = "withdrawal_failed"
    WITHDRAWAL_REJECTED = "withdrawal_rejected"
    PRICE_CHANGE = "price_change"
    MODEL_RETIREMENT = "model_retirement"
    TEST = "test"


class NoticeChannel(StrEnum):
    """A way by which notices leave."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """`OFF`: the channel was not in use."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class AlertPreferences:
    """What an account wants to be told; what it never stated is as here. `webhook` is where notices are posted."""

    account_id: UUID
    mail: bool = True
    low_balance: Usd | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class AccountOwner:
    """Who gets an account's mail. `language` "": not known."""

    email: str = field(repr=False)
    language: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What an account is told, once in a period. `facts` are ids, amounts and times, as they stand in the row."""

    id: UUID
    account_id: UUID
    kind: NoticeKind
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeliveryFault:
    """Why a notice is not there: a sentence, "" if nothing went wrong; its reason; the status that a webhook gave."""

    sentence: str = ""
    reason: ErrorReason | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class NoticeDelivery:
    """A notice on its way by one channel."""

    channel: NoticeChannel
    state: DeliveryState
    tries: int
    next_look_at: datetime | None
    sent_at: datetime | None
    fault: DeliveryFault


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that is ours to try, for the `tries`th time."""

    notice: Notice
    channel: NoticeChannel
    tries: int
