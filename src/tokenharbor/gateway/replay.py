"""Serves cached answers: held and settled at zero, and sent at a limited pace."""

from functools import partial

from tokenharbor.billing.quote import Quote
from tokenharbor.cache.answers import UnreadableAnswer
from tokenharbor.cache.pace import SLICE
from tokenharbor.catalog.pricing import UsageBound
from tokenharbor.gateway.answers import stream_head, whole_head
from tokenharbor.gateway.caching import FoundAnswer
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.rewriting import rewrite
from tokenharbor.kernel.money import ZERO
from tokenharbor.kernel.usage import input_size, token_count
from tokenharbor.wire.framing.restamp import Parts
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.request import Request

_FREE = str(ZERO)


async def replay(dependencies: Dependencies, call: MeteredCall, request: Request, found: FoundAnswer) -> bool:
    """Serve a request with a cached answer. Return False, before anything is held, if the answer cannot be written for
    this caller. Raises what holds and settlements raise, and Disconnected.
    """
    try:
        content, ending = answer_parts(call, request, found, dependencies.notes)
    except UnreadableAnswer:
        return False
    meter, exchange, pace, ready = call.meter, call.exchange, dependencies.caching.pace, found.ready
    usage = found.answer.usage
    read = input_size(usage)
    meter.note_hit(ready, found.hit)
    dependencies.caching.note_hit(call, found)
    quote = Quote(ZERO, UsageBound(read, token_count(usage) - read), request, ready.model)
    await dependencies.holds.place(meter, request, (ready,), meter.policy, quote)
    if found.answer.dialect == call.dialect.name:
        meter.left_out = found.answer.left_out
    if not request.stream:
        await pace.wait(len(content))
        charge = await dependencies.settler.settle(meter)
        exchange.respond(200, whole_head(call, ready.lines, charge), content)
        return True
    exchange.start(200, stream_head(call, ready.lines))
    for start in range(0, len(content), SLICE):
        piece = content[start : start + SLICE]
        await pace.wait(len(piece))
        await exchange.write(piece)
    await pace.wait(len(ending))
    await dependencies.settler.settle(meter)
    exchange.end(ending)
    return True


def answer_parts(call: MeteredCall, request: Request, found: FoundAnswer, notes: NoteCache) -> Parts:
    """Return the answer in the form that the request asks for, and its ending, b"" if it is not a stream. Raises
    UnreadableAnswer.
    """
    answer, client = found.answer, call.dialect
    same = answer.dialect == client.name and answer.stream == request.stream
    usage = request.wants_usage or request.include_cost
    if same and (not request.stream or (answer.shows_usage == usage and not request.include_cost)):
        parts: Parts = (answer.body, answer.ending)
    else:
        recipient = ReplyContext(
            int(call.started_at.timestamp()),
            usage,
            request,
            call.request_id,
            found.ready.model.name,
            lambda: int(call.clock.now().timestamp()),
            input_size(answer.usage),
        )
        keep = partial(notes.keep, call.meter.payer.account_id)
        cost = _FREE if request.include_cost else None
        parts = rewrite(answer, client, recipient, keep, stream=request.stream, cost_usd=cost)
    stamp = call.uuid.hex, int(call.started_at.timestamp())
    content, ending = client.caching.restamp(parts, stamp, stream=request.stream)
    if request.include_cost and not request.stream:
        content = client.price_answer(content, _FREE)
    return content, ending
