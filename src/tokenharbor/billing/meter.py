"""The meter of one request: its hold, attempts, delivery and usage, until it is settled or released."""

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
    """The state of a request's money."""

    OPEN = auto()  # nothing is held
    PLACING = auto()  # a hold was submitted, and may be placed
    HELD = auto()
    SETTLING = auto()  # the settlement was submitted, and can no longer be stopped
    CLOSED = auto()  # settled or released


class Meter:
    """A request's progress: the gateway writes it, the settler reads it. Times are monotonic seconds."""

    lane: BillingLane
    payer: Payer
    policy: Policy
    request: Request
    model = ""  # its canonical name
    state = MeterState.OPEN
    status: Status = "refused"
    refusal = ""
    hit: CacheHit | None = None  # the answer came from a cache, and is free
    lingers = False  # the caller has left, and the stream is read on for a moment
    cut = False  # cut by us, far beyond the bound: the delivered part is billed
    saved: Usd = ZERO  # saved by a cache
    hold: Usd = ZERO  # the amount held: the most that can be charged
    quote: Quote | None = None  # the quote that is held, with its bound
    capped: int | None = None
    offer: Offer | None = None  # the offer that serves the request
    upstream_id = ""
    first_at: float | None = None
    usage: Usage | None = None  # reported by the provider, complete
    usage_so_far: Usage | None = None  # the provider's last count in a stream: all input, some output
    ended = False  # the answer's ending has come, and its usage was due
    counted: Usage | None = None  # our own exact count of units billed by the piece
    fallback: Usage | None = None  # billed if the provider of a media request reports no usage
    quarantined = False
    delivered_bytes = 0  # of generated text sent to the client
    measure: Callable[[], int] | None = None  # measures them in a whole answer, if needed
    client_request_id = ""
    left_out: tuple[str, ...] = ()  # names of fields that were not sent to the provider
    pooled = False  # the route is of several models: `model` is the one asked last
    session = ""  # the id of the client session
    not_asked = b""  # the detail's part about the route: see `join_detail`

    def __init__(self, request_id: UUID, started_at: datetime, started: float) -> None:
        self.request_id = request_id
        self.started_at = started_at
        self.started = started
        self.attempts: list[Attempt] = []
        self.alarms: dict[Alarm, dict[str, int | str]] = {}

    def bill_to(self, lane: BillingLane, request: Request) -> None:
        """Set the payer, policy and model of the request."""
        self.lane = lane
        self.payer = lane.payer
        self.policy = lane.policy
        self.model = lane.model_name
        self.request = request

    def alarm(self, alarm: Alarm, **facts: int | str) -> None:
        """Raise an alarm. It is reported once, when the request ends, and listed in the detail; see `Alarms.report`."""
        self.alarms.setdefault(alarm, facts)

    def note_served_by(self, offer: Offer, upstream_id: str, now: float) -> None:
        """Note the offer whose endpoint answered, or sent a stream's first content."""
        self.offer = offer
        if self.quote is not None and self.quote.by_model:
            self.quote = self.quote.of(offer)
        self.upstream_id = upstream_id
        self.first_at = now

    def note_hit(self, offer: Offer, hit: CacheHit) -> None:
        """Note a cache hit, and the offer whose endpoint gave the answer to an earlier request."""
        self.offer = offer
        self.model = offer.model.name
        self.hit = hit
        self.usage = hit.answer.usage
        self.ended = True

    def note_hold(self, quote: Quote) -> None:
        """Note that the quote is held."""
        self.quote = quote
        self.hold = quote.amount
        self.capped = quote.capped
        self.state = MeterState.HELD
