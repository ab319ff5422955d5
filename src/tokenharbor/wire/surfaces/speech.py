"""Speech: text in, audio out, billed by input characters."""

from typing import Protocol

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.framing.fields import Check
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.request import Edit, MediaDemand, Request
from tokenharbor.wire.surfaces.surface import one_of, read_body, read_text, with_demand, write_body

_CHECKS: dict[str, Check] = {"stream_format": one_of("audio", why="only raw audio is supported.")}
_KNOWN = ("input", "voice", "instructions", "response_format", "speed")


class Speech:
    """The surface `speech`."""

    name = "speech"
    path = "/audio/speech"
    answers_audio = True

    def read_request(self, body: bytes) -> Request:
        request = read_body(body, _CHECKS, _KNOWN)
        text = read_text(request.members, "input")
        if not text:
            raise InvalidRequest("`input` must not be empty.", param="input")
        return with_demand(request, MediaDemand(self.name, items=1, characters=len(text)), text_size(text.encode()))

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return write_body(request, edit)

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:  # noqa: ARG002  audio is not read
        return GARBAGE_ANSWER


class StreamFilter(Protocol):
    """Removes forbidden content from a stream; holds back what may be the beginning of it."""

    def feed(self, piece: bytes) -> bytes: ...

    def rest(self) -> bytes: ...


class MediaSplicer:
    """A `Splicer` for media without events: every byte passes except the last, which is the ending."""

    cut = stopping = False

    def __init__(self, counted: Usage, cleans: StreamFilter) -> None:
        self._cleans = cleans  # applied before the last byte is split off
        self.started = False
        self.complete = False
        self.failure: Failure | None = None
        self.usage: Usage | None = None
        self.usage_so_far: Usage | None = counted
        self.quarantined = False
        self.finish_unknown = ""
        self.text_bytes = 0
        self.ending_text_bytes = 0
        self._held = b""

    @property
    def ending_begun(self) -> bool:
        return self.complete

    def stop_waiting(self) -> None:
        pass

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """Hold back the last byte: without it, a medium with a declared length is incomplete."""
        self.started = True
        return self._pass(self._cleans.feed(data))

    def _pass(self, data: bytes) -> bytes:
        if not data:
            return b""
        piece, self._held = self._held + data[:-1], data[-1:]
        self.text_bytes += len(piece)
        return piece

    def close(self, *, whole: bool = True) -> bytes:  # noqa: ARG002  audio has no other end
        if not self.started:
            self.failure = GARBAGE_ANSWER
            return b""
        piece = self._pass(self._cleans.rest())
        self.complete = True
        self.ending_text_bytes = len(self._held)
        return piece

    def ending(self, cost_usd: str | None = None) -> bytes:  # noqa: ARG002  audio has no place for it
        return self._held
