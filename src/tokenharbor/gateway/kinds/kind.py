"""The interface of a kind of request: the steps in which kinds differ."""

from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

import msgspec

from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.upstream.send import OpenStream, WholeAnswer
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Request

R = TypeVar("R", bound=Request)
A = TypeVar("A", bound=WholeAnswer | OpenStream)


class LastFailure(msgspec.Struct, frozen=True):
    """A failure after which no other endpoint can be asked, because part of the body was not kept. `sending`: the
    caller was still sending it, so the fault may be the caller's.
    """

    failure: Failure
    sending: bool


class RequestKind(Protocol[R, A]):
    """One kind of request, made once. `name` is unique among kinds. `dialect` is that of its refusals.
    `streams_errors`: an answer that has begun is a stream of events, which can carry an error; otherwise it can only be
    cut off.
    """

    name: str
    dialect: Dialect
    streams_errors: bool

    def read(self, call: MeteredCall) -> Awaitable[R]:
        """Read and check the request. Raises InvalidRequest."""

    def ask(self, call: MeteredCall, request: R, ready: ReadyEndpoint, /) -> Awaitable[A | Failure | LastFailure]:
        """Make one attempt at one endpoint. Raises InvalidRequest for a value that its dialect cannot express."""

    def deliver(self, call: MeteredCall, request: R, ready: ReadyEndpoint, answer: A) -> Awaitable[None]:
        """Pass on an answer, or a stream from its first content. Nothing that completes it is sent before it is
        settled.
        """


AnyKind = RequestKind[Any, Any]
