"""What a kind of request answers for in the life that all requests share."""

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
    """A failure after which no other endpoint can be asked, since a part of the body is gone. `sending`: the caller
    was still sending it, so that the fault may be the caller's.
    """

    failure: Failure
    sending: bool


class RequestKind(Protocol[R, A]):
    """One kind of request, made once; `name` is its own among all kinds. `dialect` is the one that callers are refused
    in; `says_errors`: an answer that has begun is a stream of its events, in which an error can be said. What has begun
    in another medium can only be cut.
    """

    name: str
    dialect: Dialect
    says_errors: bool

    def read(self, call: MeteredCall) -> Awaitable[R]:
        """The request, checked. Raises InvalidRequest."""

    def ask(self, call: MeteredCall, request: R, ready: ReadyEndpoint, /) -> Awaitable[A | Failure | LastFailure]:
        """One attempt at one endpoint. Raises InvalidRequest for a value that has no form in its dialect."""

    def deliver(self, call: MeteredCall, request: R, ready: ReadyEndpoint, answer: A) -> Awaitable[None]:
        """Pass on an answer, or a stream from its first content; nothing that completes it before it is settled."""


AnyKind = RequestKind[Any, Any]
