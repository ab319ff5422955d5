"""The detail of a request: the part of its receipt beside the money. It has no content, and no digest of content."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from tokenharbor.catalog.pricing import Terms
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.usage import Usage

UsageSource = Literal["vendor", "counted", "estimated", "none"]
CacheLayer = Literal["exact", "semantic", "prefix"]
Status = Literal["complete", "hung_up", "failed", "refused"]


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt at an endpoint. `outcome` is `ok`, the kind of failure, or `hung_up` if the caller left meanwhile."""

    provider: str
    upstream_model: str
    outcome: str
    ms: int
    status: int | None = None
    model: str | None = None  # only on a route of several models


class ServedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider, price and terms of an offer, shared by all requests that it serves. Terms are in basis points."""

    provider: str
    upstream_model: str
    price_version: str
    region: str = ""
    terms: Terms = Terms()


class SharedDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of the detail that all requests of one lane at one endpoint share."""

    asked: str
    model: str
    dialect: str
    served: ServedBy | None = None
    key_id: UUID | None = None
    edition: str = ""


class OwnDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of the detail that is a request's own, frozen at settlement. Amounts are in nano-USD, times in ms. It is
    filled by position: append new fields at the end.
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
    delivered_bytes: int | None = None  # of text, if the usage is our own count
    attempts: tuple[Attempt, ...] = ()
    alarms: tuple[str, ...] = ()  # the kinds of `billing/alarms.py`
    cache: str = "none"
    refusal: str = ""
    client_request_id: str = ""
    max_output_capped: int | None = None
    left_out: tuple[str, ...] = ()  # the names of fields that were not sent to the provider
    hold: int = 0
    saved: int = 0  # the extra cost without any cache; negative if the request only filled one


class RequestDetail(OwnDetail, frozen=True, kw_only=True):
    """The whole detail, as it is read. Stage and session are written last, because PostgreSQL looks for them only there
    (`name_request`).
    """

    asked: str
    model: str
    dialect: str
    served: ServedBy | None = None
    key_id: UUID | None = None
    edition: str = ""
    not_asked: tuple[tuple[str, ...], ...] = ()
    """Candidates that were not asked first, each with provider and `DropCode`, then the name of the field that the
    endpoint does not support ("" for none), then the model on a route of several models. Candidates on the route may
    have been asked in the end: then `attempts` has them, too.
    """

    confidence: str = ""  # this and the following: only of a request for a model pool
    why: str = ""  # a `Why` of `orchestra/pins.py`
    turn: int | None = None  # the number of the user's turn in the conversation
    stage: str = ""
    session: str = ""  # a keyed hash of the client's name for it


def cache_layer(usage: Usage | None) -> str:
    """Return the cache that served a request, by its usage: `prefix` is the provider's own prompt cache."""
    return "prefix" if usage is not None and usage.cache_read else "none"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RequestDetail)


def write_head(shared: SharedDetail) -> bytes:
    """Return the beginning of a detail, made once for many requests."""
    return _ENCODER.encode(shared)[:-1] + b","


def write_not_asked(candidates: Sequence[tuple[str, ...]]) -> bytes:
    """Return the part about candidates not asked, made once per plan. It follows the request's own part, after all
    fields that `sum_usage` looks for.
    """
    return b',"not_asked":%b' % _ENCODER.encode(candidates) if candidates else b""


def write_stage(stage: str, confidence: str, why: str, turn: int | None) -> bytes:
    """Return the part about the stage, which follows `write_not_asked`, for a request for a model pool."""
    stated = {"confidence": confidence, "why": why} | ({} if turn is None else {"turn": turn}) | {"stage": stage}
    return b"," + _ENCODER.encode(stated)[1:-1]


def join_detail(head: bytes, own: OwnDetail, not_asked: bytes = b"", session: str = "") -> bytes:
    """Join the parts of a detail. `not_asked` is what `write_not_asked` and `write_stage` returned, concatenated."""
    end = b',"session":"%b"}' % session.encode() if session else b"}"
    return head + _ENCODER.encode(own)[1:-1] + not_asked + end


def write_detail(detail: RequestDetail) -> bytes:
    return _ENCODER.encode(detail)


def read_detail(text: bytes | str) -> RequestDetail:
    return _DECODER.decode(text)
