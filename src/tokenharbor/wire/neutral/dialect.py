"""The protocols of a dialect: requests, answers, streams, errors and paths."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tokenharbor.kernel.errors import Refusal
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.chat import Advice, Chat, Feature, VendorOptions
from tokenharbor.wire.neutral.events import Event
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.plain import CacheReader
from tokenharbor.wire.neutral.request import Edit, Request
from tokenharbor.wire.neutral.translate import Reply


class AnswerFacts(msgspec.Struct, frozen=True, gc=False):
    """Facts read from a whole (non-streaming) answer body. `usage` is None if absent or inconsistent; only then is
    `text_bytes` computed, the bytes of generated text, reasoning and tool arguments. `body` is the client's body, if it
    differs from the vendor's. `counted` holds units that the vendor bills but does not report, counted exactly here.
    `finish_unknown` is the finish word, cleaned for logs, if no table lists it.
    """

    usage: Usage | None
    text_bytes: int = 0
    quarantined: bool = False
    body: bytes = b""
    counted: Usage | None = None
    finish_unknown: str = ""


class Splicer(Protocol):
    """One stream from a vendor to a client of the same dialect: passes bytes on and records facts.

    `feed` returns the bytes to send now: nothing until the first content, then every byte as it came, without the usage
    chunk that the gateway asked for. From the event with the stop reason on, everything gathers in `ending`, which is
    sent only after the settlement. Any split of the bytes gives the same total output.
    """

    started: bool  # the first content has been seen
    complete: bool  # the dialect's terminator has been seen, or the answer was cut
    failure: Failure | None  # the vendor sent an error in the stream, or broke the dialect
    usage: Usage | None  # the vendor's last usage; None if absent or inconsistent
    quarantined: bool  # the reported usage is inconsistent
    text_bytes: int  # bytes of generated text (text, reasoning, tool arguments) that `feed` has returned
    ending_text_bytes: int  # likewise, in the ending: a complete answer is the sum of both
    usage_so_far: Usage | None  # the vendor's last count: all of the input, part of the output
    finish_unknown: str  # the finish word, cleaned for logs, if no table lists it

    @property
    def cut(self) -> bool:
        """Whether the gateway has cut the answer while the vendor still writes."""

    @property
    def stopping(self) -> bool:
        """Whether the client's whole answer is here, and only the vendor's usage is awaited."""

    def stop_waiting(self) -> None:
        """Stop waiting for usage: a stopping answer becomes complete."""

    @property
    def ending_begun(self) -> bool:
        """Whether the ending has begun: all earlier content was sent, and any reported usage covers it."""

    @property
    def held_bytes(self) -> int:
        """The number of bytes held back now, before the first content and for the ending."""

    def feed(self, data: bytes) -> bytes: ...

    def close(self, *, whole: bool = True) -> bytes:
        """End the vendor's bytes: a last event without its blank line counts, as in most clients. If HTTP framed the
        body and all of it came (`whole`), an answer that finished is complete without its terminator. Returns as `feed`
        does; may change `complete` and `failure`.
        """

    def ending(self, cost_usd: str | None = None) -> bytes:
        """Return the bytes to send after the settlement; `cost_usd` is added as `usage.cost`, where the dialect has
        usage.
        """


class EventReader(Protocol):
    """Reads a vendor's stream into events. `FirstContentLimit` explains `incomplete_bytes` and `most_waiting`."""

    @property
    def incomplete_bytes(self) -> int: ...

    def most_waiting(self, sent: int) -> int: ...

    def feed(self, data: bytes) -> Sequence[Event]: ...

    def close(self, *, whole: bool = True) -> Sequence[Event]:
        """End the stream. Without its terminator, return a Finished if the stop reason has come and the body is `whole`
        (see `Splicer.close`), else a Failed.
        """


class EventWriter(Protocol):
    """Writes events as a stream of this dialect."""

    cost_usd: str | None  # set before the Finished, to add `usage.cost` where the dialect has usage

    def write(self, event: Event) -> bytes: ...


class ReplyContext(msgspec.Struct, frozen=True, gc=False):
    """Facts about an answer's recipient: the answer's Unix seconds; whether usage is wanted, where clients must ask for
    it; the request in this dialect, where answers repeat it; and an id and a model for answers whose vendor gives none
    (clients merge answers with the same id, and retry endlessly if all have the same). `now` returns the Unix seconds
    of the end. `input_tokens` is our estimate, for dialects whose streams begin with the input's count.
    """

    created: int = 0
    usage: bool = True
    request: Request | None = None
    id: str = ""
    model: str = ""
    now: Callable[[], int] | None = None
    input_tokens: int = 0


NO_CONTEXT = ReplyContext()


def own_status(refusal: Refusal) -> int:
    """Return the refusal's own status, as most dialects do."""
    return refusal.status


class ModelInPath(msgspec.Struct, frozen=True):
    """The model and whether to stream, for a dialect that states them in the path and not in the body."""

    model: str
    stream: bool


class AnswerPath(msgspec.Struct, frozen=True):
    """A path for requests for answers. `{model}` in it is a placeholder for the model's name; with it, `stream` tells
    whether the answer is a stream.
    """

    path: str
    stream: bool = False


class CountPath(msgspec.Struct, frozen=True):
    """A path for requests whose tokens are to be counted, with the functions that read the request and write the count
    as JSON. `read` raises InvalidRequest.
    """

    path: str
    read: Callable[[bytes, ModelInPath | None], Request]
    write: Callable[[int], Mapping[str, Any]]


class ModelListPath(msgspec.Struct, frozen=True):
    """A path that returns `write_models`."""

    path: str


class ModelPath(msgspec.Struct, frozen=True):
    """A path that returns `write_model`, for the model in place of `{model}`."""

    path: str


ClientPath = AnswerPath | CountPath | ModelListPath | ModelPath


class ProviderDialect(Protocol):
    """The vendor's side of a dialect, all that a provider needs whose dialect no client speaks here. Pure: no socket,
    clock or await.
    """

    name: str
    supported_features: frozenset[Feature]  # the features that `write_chat` can express

    def path(self, model: str, *, stream: bool) -> str:
        """Return the vendor's path under its base URL, such as "/chat/completions"."""

    def supported_advice(self, chat: Chat, options: VendorOptions) -> Collection[Advice]:
        """Return the advice in this chat that `write_chat` passes on; it omits the rest."""

    def supported_stops(self, chat: Chat) -> tuple[str, ...]:
        """Return the stop sequences that `write_chat` passes on; the gateway cuts at the rest."""

    def write_chat(self, chat: Chat, options: VendorOptions) -> bytes:
        """Return the body for a vendor; this dialect must carry every feature of the chat. Raises InvalidRequest for a
        value of the caller's that has no form here (`chat.features` has the field's name).
        """

    def reader(self) -> EventReader: ...

    def read_reply(self, body: bytes) -> Reply:
        """Read a whole answer body."""

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        """Read a non-2xx answer."""


class Dialect(ProviderDialect, Protocol):
    """One dialect, both the client's and the vendor's side.

    Within it bytes pass (`write_request`, `splice`, `read_answer`). Between two dialects a request goes `read_chat` →
    `write_chat`, a stream `reader` → `writer`, a whole answer `read_reply` → `write_reply`.
    """

    label: str  # for people: whose clients speak it
    paths: tuple[ClientPath, ...]  # served to its clients
    key_header: bytes | None  # that only its clients use for their key: identifies them on a shared path
    forwarded_headers: frozenset[bytes]  # the caller's headers to forward to vendors of this dialect, in lower case
    withheld_values: tuple[
        bytes, ...
    ]  # prefixes of values in these that are not forwarded: they switch on features with a separate price

    @property
    def caching(self) -> CacheReader:
        """The dialect's side of the caches."""

    def read_request(self, body: bytes, model_in_path: ModelInPath | None = None) -> Request:
        """Check and read a request. `model_in_path` is None for dialects that state the model in the body. Raises
        InvalidRequest.
        """

    def read_chat(self, request: Request) -> Chat:
        """Return the meaning of a request for other dialects; `unknown` names fields that none of them has. Raises
        InvalidRequest for meaning that none of them can express.
        """

    def write_request(self, request: Request, edit: Edit, /) -> bytes:
        """Return the body for a vendor of the same dialect."""

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        """Read a whole answer body that came with a 2xx."""

    def measure(self, body: bytes) -> int:
        """Return the bytes generated in a whole answer, like `text_bytes`, for when the usage is not trusted."""

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        """Return the same answer with `usage.cost` added."""

    def splice(self, request: Request, *, hide_usage: bool) -> Splicer: ...

    def writer(self, recipient: ReplyContext = NO_CONTEXT) -> EventWriter: ...

    def write_reply(self, events: Iterable[Event], recipient: ReplyContext = NO_CONTEXT) -> bytes:
        """Return events as a whole answer body; a failure's as an error body."""

    def status_of(self, refusal: Refusal) -> int:
        """Return the status by which this dialect's clients understand a refusal; usually its own."""

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        """Return a refusal as this dialect's error body (JSON)."""

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        """Return a refusal inside a stream that has begun: the dialect's own error event, without a
        success terminator.
        """

    def write_models(self, models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return a list of models, each given as `catalog/describe.py` shows it. `GET /v1/models` merges all dialects'
        lists, so members with the same name must have the same value.
        """

    def write_model(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return one model, given as `write_models` takes it."""
