"""Alarms: events that an operator must learn of at once, such as lost money or false usage from a provider."""

from collections import Counter
from enum import StrEnum

import structlog

from tokenharbor.kernel.ids import UUID, show

_log = structlog.get_logger("alarms")


class Alarm(StrEnum):
    """The kind of an alarm: `kind` in logs, in the metric and in `providers health`."""

    OVERRUN = "overrun"  # the cost was more than could be charged: `loss/overrun`
    UNBILLED = "unbilled"  # a provider's cost that no account is charged: `loss/unbilled`
    USAGE_QUARANTINED = "usage_quarantined"  # reported usage does not add up, or exceeds what the request allowed
    USAGE_MISSING = "usage_missing"  # the provider reported no usage
    INPUT_OVER_BOUND = "input_over_bound"  # more input tokens than the quote's bound
    OUTPUT_OVER_BOUND = "output_over_bound"  # more output than the request's maximum: the stream was cut
    FINISH_UNKNOWN = "finish_unknown"  # a finish reason that no table lists
    CREDENTIAL_SHOWN = "credential_shown"  # an answer contained our credential: it was removed
    JOURNALED = "journaled"  # the database did not confirm a settlement in time
    PAYMENT_MISMATCH = "payment_mismatch"  # a payment differs from its top-up: nothing was credited
    WEBHOOK_FORGED = "webhook_forged"  # an event that the processor did not send: nothing was credited
    DISPUTE_OPENED = "dispute_opened"  # a payer disputes a payment: answer it at the processor
    DISPUTE_WON = "dispute_won"  # the disputed money has come back, or never left
    DISPUTE_LOST = "dispute_lost"  # the disputed money is lost
    WITHDRAWAL_WAITS = "withdrawal_waits"  # an operator has to approve or reject it
    WITHDRAWAL_FAILED = "withdrawal_failed"  # the credit was returned to the account
    AUTO_TOP_UP_STOPPED = "auto_top_up_stopped"  # a payment failed or needs its payer, or a key looks stolen


class Alarms:
    """Writes each alarm to the log and counts it for the metrics of this process."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Alarm, str, str]] = Counter()  # by kind, provider, model
        self.lost_nano: Counter[tuple[Alarm, str]] = Counter()  # nano-USD by kind and provider

    def report(self, alarm: Alarm, request_id: UUID, provider: str, model: str, **facts: int | str) -> None:
        """Report an alarm about a request. `facts` are numbers and canonical names, never content; `lost_nano` in
        nano-USD is added to the metric.
        """
        self.counts[alarm, provider, model] += 1
        lost = facts.get("lost_nano", 0)
        if isinstance(lost, int) and lost:
            self.lost_nano[alarm, provider] += lost
        request = show("req", request_id)
        _log.warning("alarm", kind=alarm.value, request=request, provider=provider, model=model, **facts)

    def report_payment(self, alarm: Alarm, about: str, processor: str) -> None:
        """Report an alarm about a payment. `about` is the shown id of its object, or why an event was refused."""
        self.counts[alarm, processor, ""] += 1
        _log.warning("alarm", kind=alarm.value, about=about, processor=processor)

    def report_given_up(self, run_id: UUID, holds: int, lost_nano: int) -> None:
        """Report the holds of a gateway's run that were given up: the cost at providers is unknown."""
        self.counts[Alarm.UNBILLED, "", ""] += 1
        self.lost_nano[Alarm.UNBILLED, ""] += lost_nano
        _log.warning("alarm", kind=Alarm.UNBILLED.value, run=str(run_id), holds=holds, lost_nano=lost_nano)
