"""The detail of a request: what its receipt tells beside the money. No content, no digest of content."""

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
    """One endpoint tried. `outcome` is `ok`, the kind of failure, or `hung_up`: the caller left before it answered."""

    provider: str
    upstream_model: str
    outcome: str
    ms: int
    status: int | None = None
    model: str | None = None  # where the route is of several


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
    saved: int = 0  # by a cache: how much more the request would have cost without it; negative if it only filled one


class RequestDetail(OwnDetail, frozen=True, kw_only=True):
    """All of it, as it is read. Stage and session stand last in what is written: PostgreSQL looks for them there only
    (`name_request`).
    """

    asked: str
    model: str
    dialect: str
    served: ServedBy | None = None
    key_id: UUID | None = None
    edition: str = ""
    not_asked: tuple[tuple[str, ...], ...] = ()
    """Candidates that the plan did not ask first: provider, `DropCode`, and of one that cannot be told a field, its
    name ("": none); where the route is of several models, the model. Those on the route may have been asked in the end:
    then `attempts` has them, too.
    """

    confidence: str = ""  # of a request whose model stands for many, as the next ones
    why: str = ""  # of `orchestra/pins.py`
    turn: int | None = None  # of its user in the conversation
    stage: str = ""
    session: str = ""  # a keyed hash of what the client calls it


def cache_layer(usage: Usage | None) -> str:
    """Which cache answered, as far as usage tells: `prefix` is the vendor's own."""
    return "prefix" if usage is not None and usage.cache_read else "none"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RequestDetail)


def write_head(shared: SharedDetail) -> bytes:
    """The beginning of a detail, made once for many."""
    return _ENCODER.encode(shared)[:-1] + b","


def write_not_asked(candidates: Sequence[tuple[str, ...]]) -> bytes:
    """What follows a request's own, made once for a decision on a route. It stands behind what totals look for
    (`sum_usage`).
    """
    return b',"not_asked":%b' % _ENCODER.encode(candidates) if candidates else b""


def write_stage(stage: str, confidence: str, why: str, turn: int | None) -> bytes:
    """What follows that, for a request whose model stands for many."""
    told = {"confidence": confidence, "why": why} | ({} if turn is None else {"turn": turn}) | {"stage": stage}
    return b"," + _ENCODER.encode(told)[1:-1]


def join_detail(head: bytes, own: OwnDetail, not_asked: bytes = b"", session: str = "") -> bytes:
    """`not_asked` is as made by the two above, one after the other."""
    end = b',"session":"%b"}' % session.encode() if session else b"}"
    return head + _ENCODER.encode(own)[1:-1] + not_asked + end


def write_detail(detail: RequestDetail) -> bytes:
    return _ENCODER.encode(detail)


def read_detail(text: bytes | str) -> RequestDetail:
    return _DECODER.decode(text)
