"""What a dialect offers: one protocol that every wire's file fulfils, and its streams' readers and writers."""

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
    """What was read of a whole (non-streaming) answer body. `usage` is None if absent or not adding up;
    `text_bytes` counts generated text, reasoning and tool arguments, and is only computed when usage is None. `body`
    is what the client gets, where that is not what the vendor sent. `counted`: what the vendor bills by the piece and
    does not report, counted exactly by us. `finish_unknown`: why it ended, if no table lists the word, as it may be
    logged.
    """

    usage: Usage | None
    text_bytes: int = 0
    quarantined: bool = False
    body: bytes = b""
    counted: Usage | None = None
    finish_unknown: str = ""


class Splicer(Protocol):
    """One stream from a vendor to a client of the same dialect: bytes pass, facts are noted.

    `feed` returns what may leave now: nothing until the first content, then every byte as it came, without
    the usage chunk that we asked for; from the event that carries the stop reason onward everything gathers in
    `ending`, which leaves only after the settlement. Any split of the bytes gives the same total output.
    """

    started: bool  # the first content has been seen
    complete: bool  # the dialect's terminator has been seen, or the answer was cut
    failure: Failure | None  # the vendor said an error inside the stream, or broke the dialect
    usage: Usage | None  # the vendor's last usage; None if absent or not adding up
    quarantined: bool  # usage came and did not add up
    text_bytes: int  # bytes of generated text (text, reasoning, tool arguments) in what `feed` has let go
    ending_text_bytes: int  # likewise, in the ending: a complete answer is both
    usage_so_far: Usage | None  # the vendor's last count that came: all of the input, some of the output
    finish_unknown: str  # why the answer ended, if no table lists the word, as it may be logged

    @property
    def cut(self) -> bool:
        """Whether the answer was cut by us, and the vendor still writes."""

    @property
    def stopping(self) -> bool:
        """Whether all that the client gets is here, and only the vendor's usage is waited for."""

    def leave(self) -> None:
        """Wait no longer: one that is stopping is complete."""

    @property
    def over(self) -> bool:
        """Whether the ending has begun: what was to be delivered before it was, and usage that has come is of that."""

    @property
    def held_bytes(self) -> int:
        """How much is held back now, before the first content and for the ending."""

    def feed(self, data: bytes) -> bytes: ...

    def close(self, *, whole: bool = True) -> bytes:
        """The vendor's bytes are over: a last event that lacks its blank line counts, as most clients count it. If HTTP
        framed the body and all of it came (`whole`), an answer that finished is complete without its terminator.
        Returns as `feed` does; `complete` and `failure` may change.
        """

    def ending(self, cost_usd: str | None = None) -> bytes:
        """What leaves after the settlement; with `cost_usd`, `usage.cost` is added where the dialect has usage."""


class EventReader(Protocol):
    """A vendor's stream, read into events. Of `coming` and `most_waiting` see `FirstContentLimit`."""

    @property
    def coming(self) -> int: ...

    def most_waiting(self, sent: int) -> int: ...

    def feed(self, data: bytes) -> Sequence[Event]: ...

    def close(self, *, whole: bool = True) -> Sequence[Event]:
        """The stream ended. Without its terminator: a Finished if it had said why it ends and is `whole` (see
        `Splicer.close`), else a Failed.
        """


class EventWriter(Protocol):
    """Events, written as a stream of this dialect."""

    cost_usd: str | None  # set before the Finished: `usage.cost` is added, where the dialect has usage

    def write(self, event: Event) -> bytes: ...


class ReplyContext(msgspec.Struct, frozen=True, gc=False):
    """Whom an answer is written for: the Unix seconds that it bears, whether usage is wanted where a client must ask
    for it, the request of this dialect, where answers repeat it; and the answer's id and model where a vendor gives
    none: clients join answers of one id, and ask again for ever if all are of one. `now` tells the Unix seconds of
    its end. `input_tokens` is our estimate, for dialects whose streams begin with the input's count.
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
    """The status that most dialects give a refusal."""
    return refusal.status


class ModelInPath(msgspec.Struct, frozen=True):
    """What a dialect says in the path rather than in the body: the model, and whether the answer is a stream."""

    model: str
    stream: bool


class AnswerPath(msgspec.Struct, frozen=True):
    """A path to which requests for answers are posted. `{model}` in it stands for the model's name; `stream` says, of
    such a path, whether the answer is a stream.
    """

    path: str
    stream: bool = False


class CountPath(msgspec.Struct, frozen=True):
    """A path to which requests are posted whose tokens are to be counted: how they are read, and the JSON that says
    the count. `read` raises InvalidRequest.
    """

    path: str
    read: Callable[[bytes, ModelInPath | None], Request]
    write: Callable[[int], Mapping[str, Any]]


class ModelListPath(msgspec.Struct, frozen=True):
    """A path where `write_models` is read."""

    path: str


class ModelPath(msgspec.Struct, frozen=True):
    """A path where `write_model` is read of the model that `{model}` in it stands for."""

    path: str


ClientPath = AnswerPath | CountPath | ModelListPath | ModelPath


class ProviderDialect(Protocol):
    """The vendor's side of a dialect: all that a provider needs which no client speaks to us. Pure: no socket, clock or
    await.
    """

    name: str
    carries: frozenset[Feature]  # what `write_chat` can say

    def path(self, model: str, *, stream: bool) -> str:
        """The vendor's path under its base URL, such as "/chat/completions"."""

    def heeds(self, chat: Chat, order: VendorOptions) -> Collection[Advice]:
        """The advice that `write_chat` would pass on of this chat; the rest it leaves out."""

    def stops(self, chat: Chat) -> tuple[str, ...]:
        """The chat's stop sequences that `write_chat` passes on; the rest are looked for here."""

    def write_chat(self, chat: Chat, order: VendorOptions) -> bytes:
        """The body for a vendor; every feature of the chat is among those that this dialect carries. Raises
        InvalidRequest where a value that the caller gave has no form here (`chat.features` has the field's name).
        """

    def reader(self) -> EventReader: ...

    def read_reply(self, body: bytes) -> Reply:
        """A whole answer body."""

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        """A non-2xx answer."""


class Dialect(ProviderDialect, Protocol):
    """One dialect, client's side and vendor's side alike.

    Within it bytes pass (`write_request`, `splice`, `read_answer`). Between two of them a request goes `read_chat` →
    `write_chat`, a stream `reader` → `writer`, a whole answer `read_reply` → `write_reply`.
    """

    label: str  # whose clients speak it, for people
    paths: tuple[ClientPath, ...]  # what its clients call here
    key_header: bytes | None  # where its clients alone put their key: tells them from others at a path that both read
    forwarded_headers: frozenset[bytes]  # the caller's headers that go on to a vendor of this dialect, in lower case
    withheld_values: tuple[
        bytes, ...
    ]  # how values of these begin that stay behind: what they switch on has its own price

    @property
    def caching(self) -> CacheReader:
        """What a cache must know of this dialect."""

    def read_request(self, body: bytes, place: ModelInPath | None = None) -> Request:
        """Check and read; `place` is set for a dialect that says the model in the path. Raises InvalidRequest."""

    def read_chat(self, request: Request) -> Chat:
        """What a request that was read means to other dialects; fields that none of them has are named in its
        `unknown`. Raises InvalidRequest for meaning that none of them could be told.
        """

    def write_request(self, request: Request, edit: Edit, /) -> bytes:
        """The body for a vendor of the same dialect."""

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        """Read a whole answer body that came with a 2xx."""

    def measure(self, body: bytes) -> int:
        """How much was generated in a whole answer, in bytes: as `text_bytes`, where the usage is not believed."""

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        """The same answer with `usage.cost` added."""

    def splice(self, request: Request, *, hide_usage: bool) -> Splicer: ...

    def writer(self, recipient: ReplyContext = NO_CONTEXT) -> EventWriter: ...

    def write_reply(self, events: Iterable[Event], recipient: ReplyContext = NO_CONTEXT) -> bytes:
        """Events as a whole answer body; those of a failure as an error body."""

    def status_of(self, refusal: Refusal) -> int:
        """The status under which this dialect's clients understand a refusal; usually its own."""

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        """A refusal as this dialect's error body (JSON)."""

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        """A refusal inside a stream that has begun: the dialect's own error event, no success terminator."""

    def write_models(self, models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """A list of models, each as `catalog/describe.py` shows it. The members of all dialects' lists stand together
        in `GET /v1/models`: those of one name say the same.
        """

    def write_model(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """One model, from the same object."""
