"""Translation for providers of other dialects: which can be asked, the body that is sent, and the answer's reader."""

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
"""The capability that a model needs for each feature. Files need none: their text alone may be enough."""

_REFUSES: Mapping[Feature, str] = {Feature.ASSISTANT_PREFIX: "no_prefill", Feature.FORCED_CALL: "no_forced_tools"}
"""The capability that marks models which refuse a feature with a 400, though their dialect has it."""

MOST_OBJECTS = 50_000
"""The most JSON objects in a body that is read as a chat."""


class TranslationLosses(msgspec.Struct, frozen=True):
    """The losses of a request in wires other than its own: the wires that cannot express it, each with the refusal, and
    the number of pieces of advice that each other wire leaves out.
    """

    untranslatable: Mapping[str, InvalidRequest] = {}
    dropped_advice: Mapping[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.untranslatable or self.dropped_advice)


NO_LOSSES = TranslationLosses()


def losses_of(call: MeteredCall, request: Request, offers: ModelOffers, *, strict: bool) -> TranslationLosses:
    """Return the losses in the wires of a model's endpoints; reads the chat. `strict`: a wire that leaves anything out
    cannot express the request.
    """
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
    """Return one endpoint of each other wire: losses depend only on the wire and the model."""
    found = {ready.vendor.name: ready for ready in offers.ready.values()}
    found.pop(call.dialect.name, None)
    return found


def _ignored(chat: Chat, options: VendorOptions, vendor: ProviderDialect) -> dict[str, str]:
    """Return the advice that is left out for a vendor: its names, each with its place in the request."""
    if not chat.advice:
        return {}
    heeded = vendor.supported_advice(chat, options)
    if "no_sampling" in options.capabilities:
        heeded = frozenset(heeded) - SAMPLING
    return {name: hint.place for name, hint in chat.advice.items() if hint.advice not in heeded}


def left_out_header(call: MeteredCall, request: Request, ready: ReadyEndpoint) -> tuple[str, ...]:
    """Return the names of fields that are not sent to an endpoint, safe for a header; () in the caller's own
    dialect.
    """
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
    """Return names, which are the caller's own text, in characters that headers allow, up to a total length; then "+N"
    for the rest. An empty name is "(empty)".
    """
    listed: list[str] = []
    room = _MOST_NAMED
    distinct = list(dict.fromkeys(_NO_TOKEN.sub("_", name[:_LONGEST_NAME]) or "(empty)" for name in names))
    for name in distinct:
        room -= len(name) + 2
        if room < 0:
            return (*listed, f"+{len(distinct) - len(listed)}")
        listed.append(name)
    return tuple(listed)


def chat_of(call: MeteredCall, request: Request) -> Chat:
    """Return the request in neutral form, read once. Raises InvalidRequest if it cannot be read as a chat."""
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
    """Return whether a body has too many JSON objects to be read as a chat: reading takes the event loop's time for
    each object, before anything is held for the request.
    """
    if len(body) < 2 * MOST_OBJECTS or body.count(b"{") <= MOST_OBJECTS:
        return False
    packed = body.translate(None, b" \t\r\n")  # in strings, quotes are escaped, so these rarely match there
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
    """Return why a model does not support a feature in any wire, or None."""
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
    """Return the body for a vendor of another dialect. Raises InvalidRequest for a value that it cannot express."""
    chat = notes.restore(call.meter.payer.account_id, chat_of(call, request))
    return _write(chat, call, request, ready)


def _write(chat: Chat, call: MeteredCall, request: Request, ready: ReadyEndpoint) -> bytes:
    if "no_sampling" in ready.model.capabilities:  # the model refuses or ignores sampling parameters
        sampling = msgspec.structs.replace(chat.sampling, temperature=None, top_p=None, top_k=None)
        chat = msgspec.structs.replace(chat, sampling=sampling)
    return ready.vendor.write_chat(_at_stage(chat, call, ready.model) or chat, _vendor_options(call, request, ready))


def stated_effort(call: MeteredCall, request: Request, ready: ReadyEndpoint) -> StatedEffort | None:
    """Return the stage's reasoning effort for a vendor of the caller's own dialect, or None if there is none to set."""
    chat = None if call.chat is None else _at_stage(call.chat, call, ready.model)
    return None if chat is None else StatedEffort(chat, _vendor_options(call, request, ready))


def _at_stage(chat: Chat, call: MeteredCall, model: Model) -> Chat | None:
    """Return the chat with the stage's reasoning effort, or None if there is none to set."""
    effort = None if call.pool_decision is None else call.pool_decision.effort_at(model)
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
    """Return the plan without endpoints whose dialect cannot express some value of the request."""
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
    """Return the reader of an answer in another dialect."""
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
    """Return the limits on the answer's end that the vendor does not support, and that we apply; None if there are
    none.
    """
    least, most = ready.endpoint.provider.least_output, request.max_output
    below = most is not None and most < least
    if not (chat.stop or below):
        return None
    supported = ready.vendor.supported_stops(chat) if chat.stop else ()
    ours = tuple([stop for stop in chat.stop if stop and stop not in supported])
    return CutLimits(ours, most if below else None) if ours or below else None
