"""Why a reward was not given, or waits: stable codes, and the sentences that rows keep."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RewardReason(StrEnum):
    """What an operator writes has none."""

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
    RewardReason.CAP: "the cap for life is reached",
    RewardReason.DEBT: "the account is in debt",
    RewardReason.SAME_MAILBOX: "another account of the same mailbox has had one",
    RewardReason.NOT_FIRST: "it is not the account's first top-up",
    RewardReason.AUTOMATIC: "an automatic top-up is not matched",
    RewardReason.TOO_LATE: "the top-up came too long after sign-up",
    RewardReason.PAYER_UNKNOWN: "what paid cannot be recognised again",
    RewardReason.PAYER_KNOWN: "what paid has paid a top-up before",
    RewardReason.PAYER_MATCHED: "what paid has been matched before",
    RewardReason.PAID_DEBT: "the top-up has paid debt",
}

_CODES: Final = {sentence: reason for reason, sentence in SENTENCES.items()}


def reason_code(sentence: str) -> RewardReason | None:
    """Of what a row has. None: an operator's words, or none."""
    return _CODES.get(sentence)
