"""One attempt at one endpoint. The result is a whole answer, a stream read up to its first content, or a failure."""

import re
from collections.abc import Awaitable, Mapping
from email.utils import format_datetime
from typing import Protocol

import msgspec

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.client import Client, Upload
from tokenharbor.http.head import END
from tokenharbor.http.message import AnswerTooLarge, BrokenAnswer, ConnectFailed, TimedOut
from tokenharbor.upstream.credential_mask import CredentialMask
from tokenharbor.upstream.target import Target
from tokenharbor.wire.framing.surrogates import replace_lone
from tokenharbor.wire.neutral.dialect import AnswerFacts, Splicer
from tokenharbor.wire.neutral.failure import Failure, FailureKind

MAX_ANSWER_BYTES = 64 << 20
MAX_FAILURE_BYTES = 64 << 10


class AnswerReader(Protocol):
    """Reads an endpoint's answers: its dialect, a translation from it, or a surface for one request."""

    def read_answer(self, body: bytes) -> AnswerFacts | Failure: ...

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure: ...


class OutgoingRequest(msgspec.Struct, frozen=True):
    """A request to an endpoint. `lines` are the caller's header lines that the dialect forwards."""

    target: Target
    dialect: AnswerReader
    body: bytes
    lines: bytes = b""
    max_bytes: int = MAX_ANSWER_BYTES  # limit of a whole answer


class WholeAnswer(msgspec.Struct, frozen=True):
    """A complete, valid answer; `body` is what the client gets. `exposed`: our credential was in it, and was masked."""

    body: bytes
    read: AnswerFacts
    upstream_id: str
    exposed: bool = False


class OpenStream(msgspec.Struct, frozen=True):
    """A stream whose first content has come. `first` may be sent now. `credential` must be masked in it and in all
    later pieces. `exposed`: our credential was in the upstream's request id.
    """

    answer: HttpAnswer
    splicer: Splicer
    first: bytes
    upstream_id: str
    credential: CredentialMask
    exposed: bool = False


async def fetch_answer(client: Client, outgoing: OutgoingRequest) -> WholeAnswer | Failure:
    """Call an endpoint, and read the whole answer."""
    target, body = outgoing.target, outgoing.body
    head = target.head(outgoing.lines, body, stream=False)
    try:
        answer = await client.send(target.origin, head, body, target.deadlines, stream=False)
        received = answer.received_body(outgoing.max_bytes) if answer.status // 100 == 2 else None
        if received is None:
            return await _read_whole_answer(answer, outgoing)
    except _ERRORS as error:
        return failure_of_error(error)
    return _read_answer(answer, outgoing, received)


async def fetch_answer_to_upload(client: Client, outgoing: OutgoingRequest, upload: Upload) -> WholeAnswer | Failure:
    """Call an endpoint with a body that is sent in pieces, and read the whole answer. `outgoing` has no body. Raises
    what reading the pieces raises.
    """
    target = outgoing.target
    head = target.head_whole + target.lines(outgoing.lines)
    try:
        answer = await client.upload(target.origin, head, upload, target.deadlines)
        return await _read_whole_answer(answer, outgoing)
    except _ERRORS as error:
        return failure_of_error(error)


async def _read_whole_answer(answer: HttpAnswer, outgoing: OutgoingRequest) -> WholeAnswer | Failure:
    """Read an answer that is a failure, or that was not received in one piece."""
    try:
        if answer.status // 100 != 2:
            return await _failure(answer, outgoing)
        body = await answer.read(outgoing.max_bytes)
    finally:
        answer.close()
    return _read_answer(answer, outgoing, body)


def _read_answer(answer: HttpAnswer, outgoing: OutgoingRequest, body: bytes) -> WholeAnswer | Failure:
    credential = outgoing.target.credential
    read = outgoing.dialect.read_answer(replace_lone(body))
    if isinstance(read, Failure):
        return credential.mask_failure(read)
    sent = read.body or body
    masked = credential.mask(sent)
    id_, exposed = _upstream_id(answer, outgoing.target)
    return WholeAnswer(masked, read, id_, exposed or masked is not sent)


async def open_stream(client: Client, outgoing: OutgoingRequest, splicer: Splicer) -> OpenStream | Failure:
    """Call an endpoint, and read its stream up to the first content. The caller closes the answer of an OpenStream."""
    target = outgoing.target
    try:
        answer = await client.send(
            target.origin,
            target.head(outgoing.lines, outgoing.body, stream=True),
            outgoing.body,
            target.deadlines,
            stream=True,
        )
    except _ERRORS as error:
        return failure_of_error(error)
    opened: OpenStream | Failure | None = None
    try:
        opened = await _to_first_content(answer, splicer, outgoing)
    except _ERRORS as error:
        opened = failure_of_error(error)
    finally:
        if not isinstance(opened, OpenStream):
            answer.close()
    return opened


async def _to_first_content(answer: HttpAnswer, splicer: Splicer, outgoing: OutgoingRequest) -> OpenStream | Failure:
    if answer.status // 100 != 2:
        return await _failure(answer, outgoing)
    while True:
        data = await answer.next()
        first = splicer.feed(data) if data else splicer.close(whole=answer.framed)
        if splicer.failure is not None and not splicer.started:
            return outgoing.target.credential.mask_failure(splicer.failure)
        if splicer.started:
            answer.content_arrived()
            target = outgoing.target
            id_, exposed = _upstream_id(answer, target)
            return OpenStream(answer, splicer, first, id_, target.credential, exposed)
        if not data:
            return Failure(FailureKind.BROKEN)


def _failure(answer: HttpAnswer, outgoing: OutgoingRequest) -> Awaitable[Failure]:
    return read_failure(answer, outgoing.target, outgoing.dialect)


async def read_failure(answer: HttpAnswer, target: Target, reads: AnswerReader) -> Failure:
    """Return the failure that a status and its body describe. A body that is too long is ignored."""
    try:
        body = await answer.read(MAX_FAILURE_BYTES)
    except AnswerTooLarge:
        body = b""
    headers = dict(answer.headers)
    if target.clock is not None and b"date" not in headers:  # `retry-after` may be a date, relative to this one
        headers[b"date"] = format_datetime(target.clock.now(), usegmt=True).encode("ascii")
    failure = reads.read_failure(answer.status, headers, body)
    return target.credential.mask_failure(failure)


def failure_of_error(error: Exception) -> Failure:
    """Return the failure for a connection's error."""
    if isinstance(error, ConnectFailed):
        return Failure(FailureKind.CONNECT)
    if isinstance(error, TimedOut):
        return Failure(FailureKind.TIMEOUT, message=error.phase)
    if isinstance(error, AnswerTooLarge):
        return Failure(FailureKind.OVERLONG)
    return Failure(FailureKind.BROKEN)


_REQUEST_ID = re.compile(rb"\r\n(?:x-)?(?:amzn-)?request-?id:[ \t]*([^\r\n]{1,4096})", re.IGNORECASE)
_ERRORS = (ConnectFailed, TimedOut, BrokenAnswer)


_LONGEST_ID = 128


def _upstream_id(answer: HttpAnswer, target: Target) -> tuple[str, bool]:
    """Return the provider's id of the request, and whether our credential was in it. It is found without parsing all
    headers, since every answer needs it.
    """
    head = answer.head
    found = _REQUEST_ID.search(head, 0, head.find(END))
    if found is None:
        return "", False
    stated = found[1]
    masked = target.credential.mask(stated)  # before it is cut
    return masked[:_LONGEST_ID].decode("latin-1"), masked is not stated
