"""The documents of sessions and of stages, as the control API shows them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Self

from tokenharbor.billing.documents import RequestDocument
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.history import RequestRecord
from tokenharbor.ledger.savings import SavedDocument
from tokenharbor.ledger.sessions import SessionSummary, SessionTotals, StageTotal


class ClientSessionDocument(Document, frozen=True, kw_only=True):
    """A client session: requests sent under one id, or of one conversation. `saved_usd` is the saving by all caches,
    which may be negative.
    """

    id: str
    object: Literal["session"] = "session"
    first_at: datetime
    last_at: datetime
    requests: int
    cost_usd: Usd
    saved_usd: Usd

    @classmethod
    def of(cls, session: SessionSummary) -> Self:
        return cls(
            id=session.session,
            first_at=session.first_at,
            last_at=session.last_at,
            requests=session.requests,
            cost_usd=session.amount,
            saved_usd=session.saved,
        )


class ClientSessionDetailDocument(Document, frozen=True, kw_only=True):
    """One session with its latest requests. `turns` is the number of the user's turns, or None if no conversation was
    read. `cached_bp` is the share of input from providers' caches, in basis points.
    """

    id: str
    object: Literal["session"] = "session"
    first_at: datetime
    last_at: datetime
    requests: int
    cost_usd: Usd
    saved: SavedDocument
    turns: int | None
    input_tokens: int
    cached_tokens: int
    cached_bp: int | None
    data: Sequence[RequestDocument]
    next_cursor: str | None

    @classmethod
    def of(
        cls,
        session: str,
        totals: SessionTotals,
        found: Sequence[tuple[RequestRecord, Usd]],
        next_cursor: str | None,
    ) -> Self:
        return cls(
            id=session,
            first_at=totals.first_at,
            last_at=totals.last_at,
            requests=totals.requests,
            cost_usd=totals.amount,
            saved=SavedDocument.of(totals.saved),
            turns=totals.turns,
            input_tokens=totals.input,
            cached_tokens=totals.cached,
            cached_bp=totals.cached * 10_000 // totals.input if totals.input else None,
            data=[RequestDocument.of(*each) for each in found],
            next_cursor=next_cursor,
        )


class StageDocument(Document, frozen=True, kw_only=True):
    """The usage of billed requests at a stage in one UTC day, or in all days of the query if `day` is null. Tokens
    include cached ones.
    """

    day: date | None
    stage: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost_usd: Usd
    saved: SavedDocument

    @classmethod
    def of(cls, total: StageTotal) -> Self:
        return cls(
            day=total.day,
            stage=total.stage,
            requests=total.requests,
            input_tokens=total.input,
            output_tokens=total.output,
            cost_usd=total.amount,
            saved=SavedDocument.of(total.saved),
        )
