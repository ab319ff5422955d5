"""Requests to a provider of another dialect: which providers support them, what is written, who reads the answer."""

import re
from collections.abc import Iterable, Mapping
from functools import partial

import msgspec

from tokenharbor.billing.counting import estimated_input
from tokenharbor.catalog.types import Model
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.offers import ModelOffers, Plan, ReadyEndpoint
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.routing.plan import DroppedEndpoint, untranslatable_endpoint
from tokenharbor.wire import PROVIDER_DIALECTS
from tokenharbor.wire.fitting.cutter import CutLimits
from tokenharbor.wire.neutral.chat import SAMPLING, Chat, Feature, ReasoningRequest, VendorOptions
from tokenharbor.wire.neutral.dialect import ProviderDialect, ReplyContext
from tokenharbor.wire.neutral.request import Request, StatedEffort
from tokenharbor.wire.neutral.translator import Translation

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

MOST_OBJECTS = 50_000
"""Of a body that is read as a chat."""


class TranslationLosses(msgspec.Struct, frozen=True):
    """What a request loses in other wires than its own: those in which it cannot be said, and why; how many pieces of
    advice each of the rest leaves out.
    """

    untranslatable: Mapping[str, InvalidRequest] = {}
    dropped_advice: Mapping[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.untranslatable or self.dropped_advice)


NO_LOSSES = TranslationLosses()


def losses_of(call: MeteredCall, request: Request, offers: ModelOffers, *, strict: bool) -> TranslationLosses:
    """Of the wires of a model's endpoints; reads the chat. `strict`: whatever a wire leaves out, it cannot say."""
    try:
        chat = chat_of(call, request)
    except InvalidRequest as refusal:
        return TranslationLosses(dict.fromkeys(_others(call, offers), refusal))
    if not (chat.features or chat.advice or chat.unknown):
        return NO_LOSSES
    untranslatable: dict[str, InvalidRequest] = {}
    ignored: dict[str, int] = {}
    for wire, ready in _others(call, offers).items():
        lost = _ignored(chat, _vendor_options(call, request, ready), ready.vendor)
        left = {**lost, **chat.unknown} if strict else {}
        why = _why_untranslatable(chat, wire, offers.model) or (
            _not_supported(next(iter(left.values())), wire) if left else None
        )
        if why is not None:
            untranslatable[wire] = why
        elif lost:
            ignored[wire] = len(lost)
    return TranslationLosses(untranslatable, ignored)


def _others(call: MeteredCall, offers: ModelOffers) -> dict[str, ReadyEndpoint]:
    """An endpoint of each other wire: what can be said is a matter of the wire and the model."""
    found = {ready.vendor.name: ready for ready in offers.ready.values()}
    found.pop(call.dialect.name, None)
    return found


def _ignored(chat: Chat, options: VendorOptions, vendor: ProviderDialect) -> dict[str, str]:
    """The advice that a vendor is not given: names, each with its place."""
    if not chat.advice:
        return {}
    heeded = vendor.supported_advice(chat, options)
    if "no_sampling" in options.capabilities:
        heeded = frozenset(heeded) - SAMPLING
    return {name: hint.place for name, hint in chat.advice.items() if hint.advice not in heeded}


def left_out_header(call: MeteredCall, request: Request, ready: ReadyEndpoint) -> tuple[str, ...]:
    """The names of the fields that are not sent to an endpoint, fit for a header; none in the caller's own dialect."""
    if ready.vendor is call.dialect or request.demand is not None:
        return ()
    chat = chat_of(call, request)
    if not (chat.advice or chat.unknown):
        return ()
    return as_header_value({**_ignored(chat, _vendor_options(call, request, ready), ready.vendor), **chat.unknown})


_NO_TOKEN = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_LONGEST_NAME = 64
_MOST_NAMED = 400  # characters of all names


def as_header_value(names: Iterable[str]) -> tuple[str, ...]:
    """The names, which are the caller's own text, in the characters of tokens and up to a bound; then "+N" for the
    rest. One without any character is "(empty)".
    """
    told: list[str] = []
    room = _MOST_NAMED
    distinct = list(dict.fromkeys(_NO_TOKEN.sub("_", name[:_LONGEST_NAME]) or "(empty)" for name in names))
    for name in distinct:
        room -= len(name) + 2
        if room < 0:
            return (*told, f"+{len(distinct) - len(told)}")
        told.append(name)
    return tuple(told)


def chat_of(call: MeteredCall, request: Request) -> Chat:
    """What a request means, read once. Raises InvalidRequest for what cannot be read as a chat."""
    if call.chat is None:
        if request.dialect != call.dialect.name:
            raise InvalidRequest(
                "Only chat requests can be translated to the API of another"
                " provider: use a model with a provider that uses the API of this path."
            )
        if has_many_objects(request.body):
            raise InvalidRequest(
                f"The request holds more than {MOST_OBJECTS} objects, too many to translate to the API of"
                " another provider: send fewer, or use a model with a provider that uses the API of this path."
            )
        call.chat = call.dialect.read_chat(request)
    return call.chat


def has_many_objects(body: bytes) -> bool:
    """Whether a body has too many to be read as a chat: each object is read by itself, which takes the event loop's
    time, and before anything is held for it.
    """
    if len(body) < 2 * MOST_OBJECTS or body.count(b"{") <= MOST_OBJECTS:
        return False
    packed = body.translate(None, b" \t\r\n")  # hardly any are in a text, where quotes are escaped
    return packed.count(b'{"') + packed.count(b"{}") > MOST_OBJECTS


def _why_untranslatable(chat: Chat, wire: str, model: Model) -> InvalidRequest | None:
    supported_features = PROVIDER_DIALECTS[wire].supported_features
    for feature, field in chat.features.items():
        if feature not in supported_features:
            return _not_supported(field, wire)
        if (why := lacks(feature, field, model)) is not None:
            return why
    return None


def lacks(feature: Feature, field: str, model: Model) -> InvalidRequest | None:
    """Why a model cannot do what a field asks for, in whatever wire, or None."""
    need = _NEEDS.get(feature)
    if need is not None and need not in model.capabilities:
        return InvalidRequest(
            f"`{field}` needs the capability {need}, which {model.name} does"
            " not have: remove it, or use another model.",
            param=field,
        )
    if _REFUSES.get(feature) in model.capabilities:
        return InvalidRequest(
            f"`{field}` is not supported by {model.name} ({feature.value}): remove it, or use another model.",
            param=field,
        )
    return None


def _not_supported(field: str, wire: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{field}` is not supported by this model's providers (wire {wire}): remove it, or use another model.",
        param=field,
    )


def write_for(call: MeteredCall, request: Request, ready: ReadyEndpoint, notes: NoteCache) -> bytes:
    """The body for a vendor of another dialect. Raises InvalidRequest for a value that has no form there."""
    chat = notes.restore(call.meter.payer.account_id, chat_of(call, request))
    return _write(chat, call, request, ready)


def _write(chat: Chat, call: MeteredCall, request: Request, ready: ReadyEndpoint) -> bytes:
    if "no_sampling" in ready.model.capabilities:  # such a model draws tokens in its own way, whatever it is asked
        sampling = msgspec.structs.replace(chat.sampling, temperature=None, top_p=None, top_k=None)
        chat = msgspec.structs.replace(chat, sampling=sampling)
    return ready.vendor.write_chat(_at_stage(chat, call, ready.model) or chat, _vendor_options(call, request, ready))


def stated_effort(call: MeteredCall, request: Request, ready: ReadyEndpoint) -> StatedEffort | None:
    """What a vendor of the caller's own dialect is told of the stage's effort; None where the caller said how much."""
    chat = None if call.chat is None else _at_stage(call.chat, call, ready.model)
    return None if chat is None else StatedEffort(chat, _vendor_options(call, request, ready))


def _at_stage(chat: Chat, call: MeteredCall, model: Model) -> Chat | None:
    """A chat that asks for the stage's effort; None where there is none to ask for."""
    effort = None if call.staged is None else call.staged.effort_at(model)
    return None if effort is None else msgspec.structs.replace(chat, thinking=ReasoningRequest(effort))


def _vendor_options(call: MeteredCall, request: Request, ready: ReadyEndpoint) -> VendorOptions:
    capped, model, least = call.meter.capped, ready.model, ready.endpoint.provider.least_output
    most = request.max_output if capped is None else capped
    return VendorOptions(
        model=ready.endpoint.upstream_model,
        stream=request.stream,
        max_output=None if most is None else max(most, least),
        most_output=model.max_output,
        capabilities=model.capabilities,
        max_field=ready.endpoint.limit.max_field,
        max_thinking=model.max_thinking,
    )


def drop_untranslatable(call: MeteredCall, request: Request, plan: Plan) -> Plan:
    """The plan as it will be followed: without those in whose dialect some value of the request has no form."""
    if not plan.foreign:
        return plan

    def write(ready: ReadyEndpoint) -> ReadyEndpoint | DroppedEndpoint:
        try:
            if ready.vendor is not call.dialect:
                _write(chat_of(call, request), call, request, ready)
        except InvalidRequest as refusal:
            return untranslatable_endpoint(ready.endpoint, refusal)
        return ready

    return plan.narrow(write)


def translation_of(call: MeteredCall, request: Request, ready: ReadyEndpoint, notes: NoteCache) -> Translation:
    """Who reads the answer of a vendor of another dialect."""
    created = int(call.meter.started_at.timestamp())
    recipient = ReplyContext(
        created,
        request.wants_usage,
        request,
        call.request_id,
        ready.model.name,
        lambda: int(call.clock.now().timestamp()),
        estimated_input(request.size),
    )
    keep = partial(notes.keep, call.meter.payer.account_id)
    return Translation(ready.vendor, call.dialect, recipient, keep, _cut(chat_of(call, request), request, ready))


def _cut(chat: Chat, request: Request, ready: ReadyEndpoint) -> CutLimits | None:
    """What the vendor cannot be told of where the answer ends."""
    least, most = ready.endpoint.provider.least_output, request.max_output
    below = most is not None and most < least
    if not (chat.stop or below):
        return None
    told = ready.vendor.supported_stops(chat) if chat.stop else ()
    untold = tuple([stop for stop in chat.stop if stop and stop not in told])
    return CutLimits(untold, most if below else None) if untold or below else None
