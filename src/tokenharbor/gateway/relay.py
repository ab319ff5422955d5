"""The relay of a stream, from its first content to its terminator; the ending is held back until it is settled."""

import asyncio

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.bounds import most_answer_bytes, most_content_bytes
from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.http.message import BrokenAnswer, TimedOut
from tokenharbor.upstream.send import OpenStream, failure_of_error
from tokenharbor.wire.neutral.dialect import AnswerFacts, Splicer
from tokenharbor.wire.neutral.failure import Failure, FailureKind

MAX_ENDING_BYTES = 4 << 20
_USAGE_SECONDS = 2.0


async def relay(opened: OpenStream, call: MeteredCall) -> Failure | None:
    """Pass on every byte before the ending. Return None once the terminator has come, else the failure that broke the
    stream off. Raises Disconnected if the client leaves. In all cases the meter knows what was delivered.
    """
    try:
        failure = await _pass_on(opened, call)
        if opened.splicer.stopping:
            await _await_usage(opened, call)
    finally:
        call.meter.delivered_bytes = opened.splicer.text_bytes
        note_usage(call.meter, opened.splicer)
    if opened.splicer.cut:
        opened.answer.close()  # before the settlement: the provider is still writing
    if failure is None:
        call.meter.delivered_bytes += opened.splicer.ending_text_bytes  # it is sent once it is settled
    return failure


async def _pass_on(opened: OpenStream, call: MeteredCall) -> Failure | None:
    """Pass on pieces until the stream's ending, and return the failure if one ends it before."""
    splicer, answer, exchange = opened.splicer, opened.answer, call.exchange
    most_content, most_received = _most_bytes(call.meter)
    piece = opened.first
    content_bytes, received = splicer.text_bytes + splicer.ending_text_bytes, len(piece)
    ended = False
    while True:
        if piece:
            await exchange.write(_outgoing(piece, opened, call))
        if (content_bytes > most_content or received > most_received) and not splicer.complete:
            return _cut(call.meter, content_bytes, received)
        if splicer.failure is not None:
            return opened.credential.mask_failure(splicer.failure)
        if splicer.complete or splicer.stopping:
            return None
        if splicer.held_bytes > MAX_ENDING_BYTES:
            return Failure(FailureKind.GARBAGE)
        if ended:
            return Failure(FailureKind.BROKEN)
        try:
            data = await answer.next()
        except (BrokenAnswer, TimedOut) as error:
            return failure_of_error(error)
        ended = not data
        received += len(data)
        before = content_bytes
        piece = splicer.close(whole=answer.framed) if ended else splicer.feed(data)
        content_bytes = splicer.text_bytes + splicer.ending_text_bytes
        if content_bytes != before:
            answer.content_arrived()


async def _await_usage(opened: OpenStream, call: MeteredCall) -> None:
    """Wait for the usage of an answer that we cut at a stop sequence: it counts more than the visible text. Stop as
    soon as anything else comes, or after `_USAGE_SECONDS`.
    """
    splicer, answer = opened.splicer, opened.answer
    try:
        async with asyncio.timeout(_USAGE_SECONDS):
            while splicer.stopping and (data := await answer.next()):
                if piece := splicer.feed(data):
                    await call.exchange.write(mask_piece(piece, opened, call.meter))
    except (TimeoutError, BrokenAnswer, TimedOut):
        pass  # then usage is our own count
    splicer.stop_waiting()


def _outgoing(piece: bytes, opened: OpenStream, call: MeteredCall) -> bytes:
    """Return a piece as it is sent, and collect it for the cache."""
    clean = mask_piece(piece, opened, call.meter)
    if call.cache is not None:
        call.cache.add(clean)
    return clean


def mask_piece(piece: bytes, opened: OpenStream, meter: Meter) -> bytes:
    """Return a piece, whole events, with our credential masked."""
    clean = opened.credential.mask(piece)
    if clean is not piece:
        meter.alarm(Alarm.CREDENTIAL_SHOWN)
    return clean


def _most_bytes(meter: Meter) -> tuple[int, int]:
    """Return the bytes of content, and of all data, above which a stream is cut."""
    assert meter.quote is not None, "no provider is called before the hold is placed"  # noqa: S101  for mypy
    request, bound = meter.request, meter.quote.bound
    return most_content_bytes(request, bound), most_answer_bytes(request, bound)


def _cut(meter: Meter, content_bytes: int, received: int) -> Failure:
    """Cut a stream that does not stop. The delivered part is billed, up to the quote's bound."""
    meter.cut = True
    most = meter.quote.bound.output if meter.quote is not None else 0
    meter.alarm(Alarm.OUTPUT_OVER_BOUND, most_tokens=most, content_bytes=content_bytes, bytes=received)
    return Failure(FailureKind.OVERLONG)


def note_usage(meter: Meter, splicer: Splicer) -> None:
    """Note a stream's usage on the meter: the latest count, and the final one once the ending has begun."""
    meter.usage_so_far = splicer.usage_so_far
    meter.ended = splicer.complete and not splicer.cut
    if splicer.ending_begun:
        meter.usage = splicer.usage
        meter.quarantined = splicer.quarantined
        if splicer.finish_unknown:
            meter.alarm(Alarm.FINISH_UNKNOWN, word=splicer.finish_unknown)


def note_answer(meter: Meter, read: AnswerFacts) -> None:
    """Note a whole answer's usage on the meter."""
    meter.ended = True
    meter.usage = read.usage
    meter.counted = read.counted
    meter.quarantined = read.quarantined
    meter.delivered_bytes = read.text_bytes
    if read.finish_unknown:
        meter.alarm(Alarm.FINISH_UNKNOWN, word=read.finish_unknown)
