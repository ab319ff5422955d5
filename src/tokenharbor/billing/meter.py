"""The meter of one request: what was held, tried, delivered and used, until it is settled or released."""

from datetime import datetime
from enum import Enum, auto

from tokenharbor.billing.detail import Attempt, Status
from tokenharbor.billing.quote import Offer
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.request import Request


class State(Enum):
    """Where a request's money stands."""

    OPEN = auto()  # nothing is held
    ASKED = auto()  # a hold has been asked for and may come to stand
    HELD = auto()
    SETTLING = auto()  # the books have been asked; what they do no longer depends on us
    CLOSED = auto()  # settled or released


class Meter:
    """Written by the gateway as the request goes on; read by the settler. Times are monotonic seconds."""

    __slots__ = (
        "account_id",
        "asked",
        "attempts",
        "bill_broken",
        "capped",
        "client_request_id",
        "delivered_bytes",
        "dialect",
        "edition",
        "first_at",
        "hold",
        "input_usage",
        "key_id",
        "model",
        "offer",
        "quarantined",
        "refusal",
        "request_id",
        "size_bytes",
        "started",
        "started_at",
        "state",
        "status",
        "stream",
        "upstream_id",
        "usage",
    )

    def __init__(self, request_id: UUID, started_at: datetime, started: float) -> None:
        self.request_id = request_id
        self.started_at = started_at
        self.started = started
        self.state = State.OPEN
        self.attempts: list[Attempt] = []
        self.offer: Offer | None = None  # the one that serves
        self.hold = ZERO
        self.capped: int | None = None
        self.first_at: float | None = None
        self.usage: Usage | None = None  # the vendor's, complete
        self.input_usage: Usage | None = None  # the vendor's, of the input alone
        self.quarantined = False
        self.delivered_bytes = 0  # of generated text handed to the client
        self.upstream_id = ""
        self.refusal = ""
        self.status: Status = "refused"
        self.model = ""
        self.client_request_id = ""

    def describe(self, request: Request, model: str) -> None:
        """What was asked."""
        self.asked = request.model
        self.model = model
        self.dialect = request.dialect
        self.stream = request.stream
        self.size_bytes = request.size.text_bytes

    def bill_to(self, account_id: UUID, key_id: UUID, policy: Policy) -> None:
        self.account_id = account_id
        self.key_id = key_id
        self.edition = policy.name
        self.bill_broken = policy.bill_broken_streams

    def served_by(self, offer: Offer, upstream_id: str, now: float) -> None:
        """An endpoint has given an answer, or a stream's first content."""
        self.offer = offer
        self.upstream_id = upstream_id
        self.first_at = now

    def held(self, amount: Usd) -> None:
        self.hold = amount
        self.state = State.HELD
