"""The relay of a stream: from its first content to its terminator; the ending stays behind until it is paid for."""

from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.call import Call
from tokenharbor.http.message import Broken, TimedOut
from tokenharbor.routing.verdict import Fault, broken_off
from tokenharbor.upstream.send import Opened, failure_of
from tokenharbor.wire.dialect import Splicer
from tokenharbor.wire.failure import Failure, FailureKind

MAX_ENDING_BYTES = 4 << 20


async def relay(opened: Opened, call: Call, provider: str) -> None:
    """Pass on every byte before the ending. Raises the refusal if the stream does not reach its terminator, and
    Disconnected if the client leaves; the meter has noted what was delivered in either case.
    """
    splicer, answer, exchange = opened.splicer, opened.answer, call.exchange
    piece = opened.first
    while True:
        if piece:
            _note(call.meter, splicer)
            await exchange.write(piece)
        if splicer.failure is not None:
            raise broken_off(Fault(provider, splicer.failure))
        if splicer.complete:
            break
        if splicer.held_bytes > MAX_ENDING_BYTES:
            raise broken_off(Fault(provider, Failure(FailureKind.GARBAGE)))
        try:
            data = await answer.next()
        except (Broken, TimedOut) as error:
            raise broken_off(Fault(provider, failure_of(error))) from error
        if not data:
            raise broken_off(Fault(provider, Failure(FailureKind.BROKEN)))
        before = splicer.text_bytes
        piece = splicer.feed(data)
        if splicer.text_bytes != before:
            answer.content_arrived()
    _note(call.meter, splicer)
    call.meter.usage = splicer.usage
    call.meter.quarantined = splicer.quarantined


def _note(meter: Meter, splicer: Splicer) -> None:
    meter.delivered_bytes = splicer.text_bytes
    meter.input_usage = splicer.input_usage
