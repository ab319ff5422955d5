"""The JSON documents of auto top-up, shared by commands, the control API and pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import msgspec

from tokenharbor.editions.policy import AutoTopUpPolicy
from tokenharbor.funding.auto import AutoTopUpBrake, AutoTopUpOutlook
from tokenharbor.funding.auto_store import ChargeableMethod
from tokenharbor.funding.types import AutoTopUpStop
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd


class ChargeableMethodDocument(Document, frozen=True):
    """A payment method that may be charged later; `method` is the one of the top-up that saved it."""

    processor: str
    method: str | None
    saved_at: datetime

    @classmethod
    def of(cls, found: ChargeableMethod) -> Self:
        return cls(processor=found.processor, method=found.method, saved_at=to_second(found.saved_at))


class AutoTopUpBoundsDocument(Document, frozen=True):
    """What the edition allows; nothing if not `offered`. `max_month_usd` is the highest monthly ceiling."""

    offered: bool
    min_threshold_usd: Usd
    max_month_usd: Usd
    cooldown_minutes: int

    @classmethod
    def of(cls, policy: AutoTopUpPolicy) -> Self:
        return cls(
            offered=policy.enabled,
            min_threshold_usd=policy.min_threshold,
            max_month_usd=policy.month,
            cooldown_minutes=policy.cooldown_minutes,
        )


class AutoTopUpDocument(Document, frozen=True):
    """An account's auto top-up: `amount_usd` is charged when the balance is below `threshold_usd`; null if it was never
    switched on. `brake` says why the next charge waits, until `goes_on_at` if known. `this_month_usd` was charged in
    this UTC month, or is about to be. `stop_reason` says why it was switched off, null if a person did so.
    """

    account: str
    enabled: bool
    brake: AutoTopUpBrake | None
    goes_on_at: datetime | None
    this_month_usd: Usd
    processor: str | None
    threshold_usd: Usd | None
    amount_usd: Usd | None
    month_usd: Usd | None
    changed_at: datetime | None
    actor: str | None
    stopped_at: datetime | None
    stop_reason: str | None
    stop_code: AutoTopUpStop | None
    saved_methods: Sequence[ChargeableMethodDocument]
    bounds: AutoTopUpBoundsDocument

    @classmethod
    def of(cls, found: AutoTopUpOutlook) -> Self:
        shown = cls(
            account=ids.show("acct", found.account_id),
            enabled=found.enabled,
            brake=found.brake,
            goes_on_at=to_second(found.goes_on_at),
            this_month_usd=found.this_month,
            processor=None,
            threshold_usd=None,
            amount_usd=None,
            month_usd=None,
            changed_at=None,
            actor=None,
            stopped_at=None,
            stop_reason=found.stop_reason or None,
            stop_code=found.stop_code,
            saved_methods=[ChargeableMethodDocument.of(each) for each in found.saved],
            bounds=AutoTopUpBoundsDocument.of(found.policy),
        )
        wanted = found.wanted
        if wanted is None:
            return shown
        return msgspec.structs.replace(
            shown,
            processor=wanted.processor,
            threshold_usd=wanted.threshold,
            amount_usd=wanted.amount,
            month_usd=wanted.month_most,
            changed_at=to_second(wanted.changed_at),
            actor=wanted.actor,
            stopped_at=to_second(wanted.stopped_at),
        )
