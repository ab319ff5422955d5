"""The delivery of whole answers: settled, then sent."""

from functools import partial

from tokenharbor.billing.charges import Settler
from tokenharbor.gateway.answers import whole_head
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.gateway.relay import note_answer
from tokenharbor.upstream.send import WholeAnswer
from tokenharbor.wire.neutral.request import Request


async def deliver_whole(
    settler: Settler, call: MeteredCall, request: Request, ready: ReadyEndpoint, answer: WholeAnswer
) -> None:
    """Settle a whole answer, then send it, and store it if it is cacheable. Raises Unavailable."""
    meter, body = call.meter, answer.body
    note_answer(meter, answer.read)
    meter.measure = partial(call.dialect.measure, body)
    charge = await settler.settle(meter)
    if request.include_cost:
        body = call.dialect.price_answer(body, str(charge))
    call.exchange.respond(200, whole_head(call, ready.lines, charge), body)
    if call.cache is not None:
        call.cache.store(call, ready, request, answer.body)
