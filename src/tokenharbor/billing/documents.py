"""The documents of requests: a request in a list, and its receipt.

A receipt's signature covers its JSON, which `receipts.py` and `proofs.py` write; this file has its shape.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.billing.detail import Status, UsageSource, read_detail
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.history import RequestRecord
from tokenharbor.ledger.types import Pool
from tokenharbor.orchestra.pins import Why
from tokenharbor.routing.drops import DropCode


class UsageVectorDocument(Usage, frozen=True, omit_defaults=False):
    """The usage of a request, with every unit."""

    @classmethod
    def of(cls, usage: Usage) -> Self:
        return cls(**msgspec.structs.asdict(usage))


class RequestDocument(Document, frozen=True, kw_only=True):
    """A finished request. If its detail was erased, `detail` is "expired", and fields from the detail are absent."""

    id: str
    object: Literal["request"] = "request"
    ended_at: datetime
    key_id: str | None
    cost_usd: Usd
    currency: Literal["USD"] = "USD"
    detail: str | UnsetType | None = UNSET
    started_at: datetime | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    model_asked: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    provider: str | UnsetType | None = UNSET
    stream: bool | UnsetType = UNSET
    cache: str | UnsetType = UNSET
    saved_usd: Usd | UnsetType = UNSET
    usage: UsageVectorDocument | UnsetType | None = UNSET
    usage_source: UsageSource | UnsetType = UNSET
    total_ms: int | UnsetType = UNSET
    session: str | UnsetType | None = UNSET
    stage: str | UnsetType | None = UNSET
    turn: int | UnsetType | None = UNSET

    @classmethod
    def of(cls, past: RequestRecord, amount: Usd) -> Self:
        known = cls(
            id=ids.show("req", past.request_id),
            ended_at=past.at,
            key_id=None if past.key_id is None else ids.show("key", past.key_id),
            cost_usd=amount,
        )
        if past.detail is None:
            return msgspec.structs.replace(known, detail="expired")
        detail = read_detail(past.detail)
        return msgspec.structs.replace(
            known,
            started_at=detail.started_at,
            status=detail.status,
            model_asked=detail.asked,
            model=detail.model,
            provider=detail.served.provider if detail.served else None,
            stream=detail.stream,
            cache=detail.cache,
            saved_usd=Usd(detail.saved),
            usage=None if detail.usage is None else UsageVectorDocument.of(detail.usage),
            usage_source=detail.usage_source,
            total_ms=detail.total_ms,
            session=detail.session or None,
            stage=detail.stage or None,
            turn=detail.turn,
        )


class ReceiptAttempt(Document, frozen=True):
    """One attempt at an endpoint."""

    provider: str
    upstream_model: str
    outcome: str
    ms: int
    status: int | None
    model: str | None  # only on a route of several models


class ReceiptCandidate(Document, frozen=True):
    """A candidate that was not asked. `field` is the field that it does not support. `model` is set on a route of
    several models.
    """

    provider: str
    code: DropCode
    why: str
    field: str | None
    model: str | None


class ReceiptEntry(Document, frozen=True):
    """The entry of the charge in the books."""

    id: str
    seq: int
    chain_step: int
    ordinal: int


class ReceiptPosition(Document, frozen=True):
    """The charge's range on the account's line."""

    from_usd: Usd
    to_usd: Usd


class ReceiptLot(Document, frozen=True):
    """The amount that the charge took from a lot."""

    id: str
    pool: Pool
    origin: str
    amount_usd: Usd


class ReceiptLine(Document, frozen=True):
    """A component of the price, in whole pico-dollars, unrounded."""

    unit: str
    count: int
    pico_usd_each: int
    pico_usd: int


class ReceiptPrice(Document, frozen=True, kw_only=True):
    """The prices of the quote and the account's terms, in basis points."""

    version: str
    markup_bp: int
    discount_bp: int
    fee_bp: int
    lines: Sequence[ReceiptLine] | UnsetType = UNSET


class ReceiptSignature(Document, frozen=True):
    """The key that signed the receipt when it was read, and the signature in hex."""

    algorithm: str
    key_id: str
    format: int
    signed_at: datetime
    value: str


class ReceiptDocument(RequestDocument, frozen=True, kw_only=True):
    """A receipt: what a request did, what it cost, which lots paid for it, and the proof. A request that was not
    charged has no entry. `detail` is the text that the entry's digest covers.
    """

    dialect: str | UnsetType = UNSET
    upstream_model: str | UnsetType | None = UNSET
    upstream_request_id: str | UnsetType | None = UNSET
    client_request_id: str | UnsetType | None = UNSET
    confidence: str | UnsetType | None = UNSET
    why: str | UnsetType | None = UNSET
    why_code: Why | UnsetType | None = UNSET
    first_content_ms: int | UnsetType | None = UNSET
    attempts: Sequence[ReceiptAttempt] | UnsetType = UNSET
    not_asked: Sequence[ReceiptCandidate] | UnsetType = UNSET
    usage_quarantined: bool | UnsetType = UNSET
    delivered_bytes: int | UnsetType | None = UNSET
    max_output_capped: int | UnsetType | None = UNSET
    left_out: Sequence[str] | UnsetType = UNSET
    refusal: str | UnsetType | None = UNSET
    hold_usd: Usd | UnsetType = UNSET
    charged_at: datetime | UnsetType = UNSET
    model_usd: Usd | UnsetType = UNSET
    service_fee_usd: Usd | UnsetType = UNSET
    overrun_usd: Usd | UnsetType = UNSET
    entry: ReceiptEntry | UnsetType = UNSET
    position: ReceiptPosition | UnsetType = UNSET
    lots: Sequence[ReceiptLot] | UnsetType = UNSET
    price: ReceiptPrice | UnsetType = UNSET
    salt: str | None = None
    proof: Mapping[str, Any]
    signature: ReceiptSignature
