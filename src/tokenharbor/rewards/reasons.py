"""Why a reward was refused or waits: stable codes, and the sentences that are stored in rows."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RewardReason(StrEnum):
    """The code of a reason. A reason that an operator wrote has none."""

    CAP = "cap"
    DEBT = "debt"
    SAME_MAILBOX = "same_mailbox"
    NOT_FIRST = "not_first"
    AUTOMATIC = "automatic"
    TOO_LATE = "too_late"
    PAYER_UNKNOWN = "payer_unknown"
    PAYER_KNOWN = "payer_known"
    PAYER_MATCHED = "payer_matched"
    PAID_DEBT = "paid_debt"


SENTENCES: Final[Mapping[RewardReason, str]] = {
    RewardReason.CAP: "the lifetime cap on rewards is reached",
    RewardReason.DEBT: "the account is in debt",
    RewardReason.SAME_MAILBOX: "another account of the same mailbox has already had one",
    RewardReason.NOT_FIRST: "not the account's first top-up",
    RewardReason.AUTOMATIC: "automatic top-ups are not matched",
    RewardReason.TOO_LATE: "the top-up came too long after sign-up",
    RewardReason.PAYER_UNKNOWN: "the payment method cannot be recognised again",
    RewardReason.PAYER_KNOWN: "the payment method has paid for a top-up before",
    RewardReason.PAYER_MATCHED: "the payment method was matched before",
    RewardReason.PAID_DEBT: "the top-up paid off debt",
}

_CODES: Final = {sentence: reason for reason, sentence in SENTENCES.items()}


def reason_code(sentence: str) -> RewardReason | None:
    """Return the code of a row's reason, None if an operator wrote it or there is none."""
    return _CODES.get(sentence)
