"""The documents of usage: totals, and a report of them."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Self

from msgspec import UNSET, UnsetType

from tokenharbor.accounts.usage import UsageDivision, UsageReport
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.rollup import UsageTotal, add_up
from tokenharbor.ledger.savings import SavedDocument


class UsageDocument(Document, frozen=True, kw_only=True):
    """A total of usage. The fields that it is divided by come first; the others of these are left out. `failed` and
    `hung_up` count the `unbilled` whose ending was recorded; the means cover requests with an answer.
    """

    hour: datetime | UnsetType | None = UNSET
    day: date | UnsetType | None = UNSET
    key: str | UnsetType | None = UNSET
    label: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    requests: int
    unbilled: int
    failed: int
    hung_up: int
    cached: int
    cache_share_bp: int
    mean_first_content_ms: int | None
    mean_total_ms: int | None
    input: int
    cache_read: int
    cache_write: int
    output: int
    cost_usd: Usd
    saved: SavedDocument

    @classmethod
    def of(cls, total: UsageTotal, by: Collection[UsageDivision]) -> Self:
        used, start = total.usage, total.start
        return cls(
            hour=to_second(start) if "hour" in by else UNSET,
            day=UNSET if "day" not in by else start and start.date(),
            key=UNSET if "key" not in by else _key(total.key_id),
            label=total.label if "label" in by else UNSET,
            model=total.model if "model" in by else UNSET,
            provider=total.provider if "provider" in by else UNSET,
            requests=total.requests,
            unbilled=total.unbilled,
            failed=total.failed,
            hung_up=total.hung_up,
            cached=total.cached,
            cache_share_bp=total.cache_share_bp,
            mean_first_content_ms=total.mean_first_ms,
            mean_total_ms=total.mean_total_ms,
            input=used.input,
            cache_read=used.cache_read,
            cache_write=used.cache_write_5m + used.cache_write_1h,
            output=used.output + used.reasoning,
            cost_usd=total.charge,
            saved=SavedDocument.of(total.saved),
        )


class UsageReportDocument(Document, frozen=True):
    """The usage in [since, until), which are whole hours (UTC): in total, and divided as requested."""

    since: datetime
    until: datetime
    total: UsageDocument
    data: Sequence[UsageDocument]

    @classmethod
    def of(cls, report: UsageReport, by: Collection[UsageDivision]) -> Self:
        return cls(
            since=to_second(report.since),
            until=to_second(report.until),
            total=UsageDocument.of(add_up(report.totals), ()),
            data=[UsageDocument.of(each, by) for each in report.totals],
        )


def _key(key_id: UUID | None) -> str | None:
    return None if key_id is None else ids.show("key", key_id)
