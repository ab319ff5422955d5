"""Requests on their way to a vendor of another dialect: who can be told them, what is written, who reads the answer."""

from collections.abc import Mapping
from functools import partial

import msgspec

from tokenharbor.catalog.types import Model
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.sidecar import Sidecar
from tokenharbor.gateway.snapshot import Sale, Shelf, Way
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.routing.plan import Dropped, Route
from tokenharbor.wire import VENDORS
from tokenharbor.wire.chat import Chat, Feature, Order
from tokenharbor.wire.dialect import Recipient
from tokenharbor.wire.request import Request
from tokenharbor.wire.translator import Translation

_NEEDS: Mapping[Feature, str] = {
    Feature.TOOLS: "tools",
    Feature.CUSTOM_TOOLS: "tools",
    Feature.JSON_SCHEMA: "json_schema",
    Feature.IMAGE: "vision",
    Feature.IMAGE_URL: "vision",
    Feature.AUDIO: "audio",
}
"""What a model must be able to do. Files are not among them: their words may be all there is to them."""

_REFUSES: Mapping[Feature, str] = {Feature.ASSISTANT_PREFIX: "no_prefill", Feature.FORCED_CALL: "no_forced_tools"}
"""What some models answer with a 400, though their dialect can say it."""

_MOST_OBJECTS = 50_000


def unsaid_in(call: Call, request: Request, shelf: Shelf) -> Mapping[str, InvalidRequest]:
    """The other wires of a model's endpoints in which the request cannot be said, and why. Reads the chat."""
    try:
        chat = _chat_of(call, request)
    except InvalidRequest as refusal:
        return dict.fromkeys(_other_wires(call, shelf), refusal)
    if not chat.features:
        return {}
    found = {wire: _unsaid(chat, wire, shelf.model) for wire in _other_wires(call, shelf)}
    return {wire: refusal for wire, refusal in found.items() if refusal is not None}


def _other_wires(call: Call, shelf: Shelf) -> set[str]:
    return {sale.vendor.name for sale in shelf.sales.values()} - {call.dialect.name}


def _chat_of(call: Call, request: Request) -> Chat:
    if call.chat is None:
        if request.dialect != call.dialect.name:
            raise InvalidRequest("This is no conversation, which alone is told to providers of other dialects.")
        _refuse_pieces(request.body)
        call.chat = call.dialect.read_chat(request)
    return call.chat


def _refuse_pieces(body: bytes) -> None:
    """Each object is read by itself, which takes the event loop's time, and before anything is held for it."""
    if len(body) < 2 * _MOST_OBJECTS or body.count(b"{") <= _MOST_OBJECTS:
        return
    packed = body.translate(None, b" \t\r\n")  # hardly any are in a text, where quotes are escaped
    if packed.count(b'{"') + packed.count(b"{}") > _MOST_OBJECTS:
        raise InvalidRequest(
            f"The request holds more than {_MOST_OBJECTS} objects, too many for a provider of another dialect:"
            " send fewer, or name a model whose provider speaks the dialect of this path."
        )


def _unsaid(chat: Chat, wire: str, model: Model) -> InvalidRequest | None:
    carries = VENDORS[wire].carries
    for feature, field in chat.features.items():
        if feature not in carries:
            return InvalidRequest(
                f"`{field}` cannot be told to a provider that speaks {wire}: leave it out, or choose another.",
                param=field,
            )
        need = _NEEDS.get(feature)
        if need is not None and need not in model.capabilities:
            return InvalidRequest(f"`{field}` needs {need}, which {model.name} does not have.", param=field)
        if _REFUSES.get(feature) in model.capabilities:
            return InvalidRequest(
                f"`{field}` asks for what {model.name} refuses ({feature.value}): leave it out, or choose another.",
                param=field,
            )
    return None


def write_for(call: Call, request: Request, sale: Sale, sidecar: Sidecar) -> bytes:
    """The body for a vendor of another dialect. Raises InvalidRequest for a value that has no form there."""
    chat = sidecar.restore(call.meter.account_id, _chat_of(call, request))
    return _write(chat, call, request, sale)


def _write(chat: Chat, call: Call, request: Request, sale: Sale) -> bytes:
    if "no_sampling" in sale.model.capabilities:  # such a model draws tokens in its own way, whatever it is asked
        sampling = msgspec.structs.replace(chat.sampling, temperature=None, top_p=None, top_k=None)
        chat = msgspec.structs.replace(chat, sampling=sampling)
    return sale.vendor.write_chat(chat, _order(call, request, sale))


def _order(call: Call, request: Request, sale: Sale) -> Order:
    capped, model = call.meter.capped, sale.model
    return Order(
        model=sale.offer.endpoint.upstream_model,
        stream=request.stream,
        max_output=request.max_output if capped is None else capped,
        most_output=model.max_output,
        capabilities=model.capabilities,
        max_field=sale.offer.endpoint.limit.max_field,
        max_thinking=model.max_thinking,
    )


def without_unsayable(call: Call, request: Request, way: Way) -> Way:
    """The way as it will be gone: without those to whom some value of the request has no form."""
    if not way.foreign:
        return way
    kept: list[Sale] = []
    dropped: list[Dropped] = []
    for sale in way.sales:
        try:
            if sale.vendor is not call.dialect:
                _write(_chat_of(call, request), call, request, sale)
        except InvalidRequest as refusal:
            dropped.append(Dropped(sale.offer.endpoint, refusal.message, refusal=refusal))
        else:
            kept.append(sale)
    route = Route([sale.offer.endpoint for sale in kept], [*way.route.dropped, *dropped])
    return msgspec.structs.replace(way, route=route, sales=tuple(kept), offers=tuple([sale.offer for sale in kept]))


def translation_of(call: Call, request: Request, sale: Sale, sidecar: Sidecar) -> Translation:
    """Who reads the answer of a vendor of another dialect."""
    created = int(call.meter.started_at.timestamp())
    recipient = Recipient(
        created,
        request.wants_usage,
        request,
        call.request_id,
        sale.model.name,
        lambda: int(call.clock.now().timestamp()),
    )
    return Translation(sale.vendor, call.dialect, recipient, partial(sidecar.keep, call.meter.account_id))
