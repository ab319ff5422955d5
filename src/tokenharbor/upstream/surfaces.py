"""Targets of endpoints on surfaces other than chat, and the reader of their answers."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tokenharbor.catalog.types import Endpoint
from tokenharbor.http.answer import HttpAnswer
from tokenharbor.kernel.clock import Clock
from tokenharbor.upstream.send import read_failure
from tokenharbor.upstream.target import Target, make_target
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.dialects.openai_chat import failures
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Request

_EVENTS = b"accept: text/event-stream\r\n"
_ANYTHING = b"accept: */*\r\n"


class SurfaceReader(Protocol):
    """The part of a surface that calls need, for any form of request."""

    path: str

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure: ...


def surface_target(
    endpoint: Endpoint, surface: SurfaceReader, secret: str | None, clock: Clock, *, form: bool
) -> Target:
    """Return the target of an endpoint on a surface. `form`: each request states its own content type, with its
    boundary. Raises Misconfigured for an invalid base URL.
    """

    def path(model: str, *, stream: bool) -> str:  # noqa: ARG001  the model is in the body
        return surface.path

    target = make_target(endpoint, path, secret, clock, media=None if form else "application/json")
    return msgspec.structs.replace(target, head_stream=target.head_stream.replace(_EVENTS, _ANYTHING))


async def read_failure_of(answer: HttpAnswer, target: Target) -> Failure:
    """Return the failure of an answer whose status is not 2xx, and close the answer."""
    try:
        return await read_failure(answer, target, DIALECTS["openai_chat"])
    finally:
        answer.close()


class SurfaceAnswerReader(msgspec.Struct, frozen=True):
    """Reads the answers to one request on a surface."""

    surface: SurfaceReader
    request: Request

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        return self.surface.read_answer(self.request, body)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return failures.read_failure(status, headers, body)
