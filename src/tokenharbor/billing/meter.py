"""The meter of one request: what was held, tried, delivered and used, until it is settled or released."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.detail import Attempt, Status
from tokenharbor.billing.lane import BillingLane
from tokenharbor.billing.quote import Offer, Quote
from tokenharbor.cache.answers import CacheHit
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.request import Request


class MeterState(Enum):
    """Where a request's money stands."""

    OPEN = auto()  # nothing is held
    ASKED = auto()  # a hold has been asked for and may come to stand
    HELD = auto()
    SETTLING = auto()  # the books have been asked; what they do no longer depends on us
    CLOSED = auto()  # settled or released


class Meter:
    """Written by the gateway as the request goes on; read by the settler. Times are monotonic seconds."""

    lane: BillingLane
    payer: Payer
    policy: Policy
    request: Request
    model = ""  # its canonical name
    state = MeterState.OPEN
    status: Status = "refused"
    refusal = ""
    hit: CacheHit | None = None  # the answer was kept, and costs nothing
    lingers = False  # the caller has left, and the provider is read on for a moment
    cut = False  # by us, because the answer went far beyond its bound: what was delivered is billed
    saved: Usd = ZERO  # by a cache
    hold: Usd = ZERO  # the amount of the quote that stood: the most that is charged
    quote: Quote | None = None  # what is held, and the bound that it was made for
    capped: int | None = None
    offer: Offer | None = None  # the one that serves
    upstream_id = ""
    first_at: float | None = None
    usage: Usage | None = None  # the vendor's, complete
    usage_so_far: Usage | None = None  # the vendor's last count of a stream: all of its input, some of its output
    ended = False  # the answer's ending has come, which is when usage is due
    counted: Usage | None = None  # by us and exact: of what is billed by the piece
    fallback: Usage | None = None  # what is billed on a surface whose vendor tells nothing
    quarantined = False
    delivered_bytes = 0  # of generated text handed to the client
    measure: Callable[[], int] | None = None  # the same of a whole answer, if it must be known
    client_request_id = ""
    left_out: tuple[str, ...] = ()  # names of fields that the vendor was not told
    pooled = False  # its route is of several models: `model` is the one that was asked last
    session = ""  # which of the account's it belongs to, shown
    not_asked = b""  # what its detail says of the route: see `join_detail`

    def __init__(self, request_id: UUID, started_at: datetime, started: float) -> None:
        self.request_id = request_id
        self.started_at = started_at
        self.started = started
        self.attempts: list[Attempt] = []
        self.alarms: dict[Alarm, dict[str, int | str]] = {}

    def bill_to(self, lane: BillingLane, request: Request) -> None:
        self.lane = lane
        self.payer = lane.payer
        self.policy = lane.policy
        self.model = lane.model_name
        self.request = request

    def alarm(self, alarm: Alarm, **facts: int | str) -> None:
        """Reported once when the request ends, and listed in its detail; see `Alarms.report` for the facts."""
        self.alarms.setdefault(alarm, facts)

    def served_by(self, offer: Offer, upstream_id: str, now: float) -> None:
        """An endpoint has given an answer, or a stream's first content."""
        self.offer = offer
        if self.quote is not None and self.quote.by_model:
            self.quote = self.quote.of(offer)
        self.upstream_id = upstream_id
        self.first_at = now

    def found(self, offer: Offer, hit: CacheHit) -> None:
        """An answer was kept that this endpoint gave to an earlier request: it is not asked."""
        self.offer = offer
        self.model = offer.model.name
        self.hit = hit
        self.usage = hit.answer.usage
        self.ended = True

    def held(self, quote: Quote) -> None:
        self.quote = quote
        self.hold = quote.amount
        self.capped = quote.capped
        self.state = MeterState.HELD
