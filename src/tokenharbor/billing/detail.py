"""The detail of a request: what its receipt tells beside the money. No content, no digest of content."""

from datetime import datetime
from typing import Literal

import msgspec

from tokenharbor.catalog.pricing import Terms
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.usage import Usage

UsageSource = Literal["vendor", "counted", "estimated", "none"]
Status = Literal["complete", "hung_up", "failed", "refused"]


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One endpoint tried. `outcome` is `ok`, the kind of failure, or `hung_up`: the caller left before it answered."""

    provider: str
    upstream_model: str
    outcome: str
    ms: int
    status: int | None = None


class ServedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who served and at what price: the same for every request that an offer serves. Rates in basis points."""

    provider: str
    upstream_model: str
    price_version: str
    region: str = ""
    terms: Terms = Terms()


class SharedDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the requests of one lane that one endpoint serves have in common."""

    asked: str
    model: str
    dialect: str
    served: ServedBy | None = None
    key_id: UUID | None = None
    edition: str = ""


class OwnDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is a request's own, as frozen at settlement. Amounts in nano-USD, times in ms. Filled by place: a new field
    stands at the end.
    """

    status: Status
    started_at: datetime
    total_ms: int
    first_ms: int | None = None
    upstream_id: str = ""
    stream: bool = False
    usage: Usage | None = None
    usage_source: UsageSource = "none"
    quarantined: bool = False
    delivered_bytes: int | None = None  # of text, where the usage is our own count
    attempts: tuple[Attempt, ...] = ()
    alarms: tuple[str, ...] = ()  # the kinds of `billing/alarms.py`
    cache: str = "none"
    refusal: str = ""
    client_request_id: str = ""
    max_output_capped: int | None = None
    left_out: tuple[str, ...] = ()  # the names of fields that the vendor was not told
    hold: int = 0


class RequestDetail(OwnDetail, frozen=True, kw_only=True):
    """Both, as they are read."""

    asked: str
    model: str
    dialect: str
    served: ServedBy | None = None
    key_id: UUID | None = None
    edition: str = ""


def cache_layer(usage: Usage | None) -> str:
    """Which cache answered, as far as usage tells: `prefix` is the vendor's own."""
    return "prefix" if usage is not None and usage.cache_read else "none"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RequestDetail)


def write_head(shared: SharedDetail) -> bytes:
    """The beginning of a detail, made once for many."""
    return _ENCODER.encode(shared)[:-1] + b","


def join_detail(head: bytes, own: OwnDetail) -> bytes:
    return head + _ENCODER.encode(own)[1:]


def write_detail(detail: RequestDetail) -> bytes:
    return _ENCODER.encode(detail)


def read_detail(text: bytes | str) -> RequestDetail:
    return _DECODER.decode(text)
