"""Strict reading of a request for another dialect, shared by all dialects: no field is lost silently.

The idea. Within one dialect an unknown field passes. Between two it cannot, so each field must be accounted for: it is
read (and becomes part of the `Chat`), or it is refused, or its name is noted in `unknown` and the caller is told. The
shapes forbid unknown fields, so msgspec finds them while it decodes, at no cost for the usual body.

A body with only known fields is read once. Otherwise the decoder's error names the first unknown field
(`UnknownFieldError`), `keep_known` removes all fields that no shape has and notes their names, and the rest is read
again (`read_twice`). So only unusual bodies are read twice.

The caller's special requests fall into three classes, each with its field: `Feature` (the route excludes endpoints
without it), `Advice` (endpoints that omit it are asked last), `unknown` (no endpoint gets it). A wrong type is
InvalidRequest with the place of the value; places have indices, names in `advice` and `unknown` do not.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Reversible, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.fitting.ids import originals
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import is_null, wrong_shape
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.known_members import keep_known
from tokenharbor.wire.neutral.chat import (
    Advice,
    Chat,
    Feature,
    GivenAdvice,
    MediaSource,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)
from tokenharbor.wire.neutral.request import Request

T = TypeVar("T")


_SHOWN = 60  # characters of a caller's own name that an error repeats
_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?")
_USUAL_SAMPLING = Sampling()

_decode_number = msgspec.json.Decoder(float).decode

_UNKNOWN_VALUE = re.compile(r"Invalid value '([^']*)'(?: - at `\$\.?([^`]*)`)?")


class StrictShape(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The base of shapes that a request is read into; members that a shape does not name are refused."""


class CacheControl(StrictShape, frozen=True):
    """A mark that the content up to here is worth caching."""

    type: str = "ephemeral"
    ttl: str | None = None


def cache_of(control: CacheControl | None) -> str | None:
    """Return the cache duration in the form of chat.py."""
    return (control.ttl or "5m") if control else None


def require_image(source: MediaSource, place: str) -> MediaSource:
    """Return the source unless its type is not an image's: only images have a known price. Raises InvalidRequest."""
    if source.media_type and not source.media_type.lower().startswith("image/"):
        raise InvalidRequest(
            f"`{place}` is {source.media_type[:_SHOWN]!r}, which is not an image type: send an image.", param=place
        )
    return source


class FeatureCollector:
    """The features, advice and unknown fields of one request, each with its first field."""

    def __init__(self, unknown: dict[str, str] | None = None) -> None:
        self.found: dict[Feature, str] = {}
        self.advice: dict[str, GivenAdvice] = {}
        self.unknown: dict[str, str] = {} if unknown is None else unknown

    def note(self, feature: Feature, field: str) -> None:
        self.found.setdefault(feature, field)

    def advise(self, advice: Advice, field: str) -> None:
        self.advice.setdefault(without_indices(field), GivenAdvice(advice, field))

    def sample(self, sampling: Sampling, field: str = "temperature", other: str = "top_p") -> Sampling:
        """Note temperature and `top_p`; 1, the default of both, is not advice."""
        temperature, top_p = sampling.temperature, sampling.top_p
        if temperature is not None and temperature != 1:
            self.advice[field] = GivenAdvice(Advice.HOT if temperature > 1 else Advice.TEMPERATURE, field)
        if top_p is not None and top_p != 1:
            self.advice[other] = GivenAdvice(Advice.TOP_P, other)
        return sampling

    def read_hints(self, members: Members, known: Collection[str], hints: Collection[str]) -> None:
        """Note the fields that only this dialect has, and those that no dialect has."""
        for name, raw in members.items():
            if name in hints:
                if not is_null(raw):
                    self.advice[name] = GivenAdvice(Advice.OWN, name)
            elif name not in known and not is_null(raw):
                self.unknown.setdefault(name, name)


_INDEX = re.compile(r"\[\d+\]")


def without_indices(place: str) -> str:
    """Return a field's name without indices."""
    return _INDEX.sub("", place) if "[" in place else place


def decode(raw: msgspec.Raw, decoder: Callable[[msgspec.Raw], T], name: str) -> T:
    """Decode a value strictly. Raises InvalidRequest that names the place in the field `name`."""
    try:
        return decoder(raw)
    except UNREADABLE as error:
        raise _refusal(name, error) from None


def decode_field(members: Members, name: str, decoder: Callable[[msgspec.Raw], T]) -> T | None:
    """Decode a member strictly; absent and null are None."""
    raw = members.get(name)
    if raw is None or raw == NULL:
        return None
    try:
        return decoder(raw)
    except UNREADABLE as error:
        raise _refusal(name, error) from None


_MOST_STOPS = 64
_LONGEST_STOP = 1_000  # characters


def read_stops(sequences: Sequence[str], field: str) -> tuple[str, ...]:
    """Return the stop sequences, bounded because each piece of an answer may be searched for each. Raises
    InvalidRequest.
    """
    if len(sequences) > _MOST_STOPS or any(len(each) > _LONGEST_STOP for each in sequences):
        raise InvalidRequest(
            f"`{field}` must have at most {_MOST_STOPS} sequences of at most {_LONGEST_STOP} characters each.",
            param=field,
        )
    return tuple(sequences)


def read_sampling(members: Members) -> Sampling:
    """Read `temperature` and `top_p`, which most dialects name alike."""
    if "temperature" in members or "top_p" in members:
        return Sampling(
            decode_field(members, "temperature", _decode_number), decode_field(members, "top_p", _decode_number)
        )
    return _USUAL_SAMPLING


class UnknownFieldError(Exception):
    """A field that its shape does not have; the message is its place."""


def read_twice(
    read: Callable[[Members, FeatureCollector], Chat], members: Members, shapes: Mapping[str, object]
) -> Chat:
    """Read a request's members; if a shape meets an unknown field, remove and note all unknown fields, and read again.
    Raises InvalidRequest.
    """
    try:
        return read(members, FeatureCollector())
    except UnknownFieldError:
        unknown: dict[str, str] = {}
    try:
        return read(keep_known(members, shapes, unknown), FeatureCollector(unknown))
    except UnknownFieldError as error:
        raise untranslatable_field(str(error)) from None


def _refusal(name: str, error: Exception) -> Exception:
    text = str(error)
    if unknown := _UNKNOWN_FIELD.search(text):
        return UnknownFieldError(f"{_place(name, unknown[2])}.{unknown[1][:_SHOWN]}")
    if value := _UNKNOWN_VALUE.search(text):
        param = _place(name, value[2])
        return InvalidRequest(
            f"`{param}` is {value[1][:_SHOWN]!r}, a value not supported by the providers of this model.", param=param
        )
    return wrong_shape(name, error)


def _place(name: str, within: str | None) -> str:
    if not within or not name:
        return within or name
    return f"{name}{'' if within.startswith('[') else '.'}{within}"


def untranslatable_field(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{param}` is not supported by the providers of this model, which use another API: remove it, or use a model"
        " with a provider that uses the API of this path.",
        param=param,
    )


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Tool(msgspec.Struct, frozen=True):
    """A tool's definition: its name is at the top, or inside `function` or `custom`."""

    name: str = ""
    function: _Named = _Named()
    custom: _Named = _Named()


_LISTS = frozenset({"tools", "functions"})
_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode


def caller_names(request: Request | None) -> dict[str, str]:
    """Map tool names that were shortened or changed for the vendor to the caller's own: see `ids.fit`."""
    if request is None or _LISTS.isdisjoint(request.members):
        return {}
    names: list[str] = []
    for field in _LISTS:
        raw = request.members.get(field)
        if raw is not None:
            with suppress(*UNREADABLE):
                names += [tool.name or tool.function.name or tool.custom.name for tool in _decode_tools(raw) or ()]
    return originals(name for name in names if name)


def check_choice(
    choice: ToolChoice | None, tools: Iterable[Tool], features: FeatureCollector, field: str = "tool_choice"
) -> None:
    """Note a forced call. Raises InvalidRequest if the choice names an unknown tool."""
    if choice is not None and choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED):
        features.note(Feature.FORCED_CALL, field)
    known = {tool.name for tool in tools}
    for name in choice.names if choice else ():
        if name not in known:
            raise InvalidRequest(f"`{field}` names {name[:_SHOWN]!r}, which is not in the list of tools.", param=field)


def in_order_of_calls(results: Collection[ToolResult], calls: Reversible[ToolCall]) -> list[ToolResult]:
    """Sort results into the order of their calls; results without a call come last. Searches backwards, as results
    answer the latest calls: a long conversation is not searched for each result.
    """
    if len(results) == 1:
        return list(results)
    missing, places = {result.call_id for result in results}, dict[str, int]()
    for back, call in enumerate(reversed(calls)):
        if call.id in missing:
            missing.remove(call.id)
            places[call.id] = -back
        if not missing:
            break
    return sorted(results, key=lambda result: places.get(result.call_id, 1))


def in_order_of_places(results: Iterable[ToolResult], places: Mapping[str, int]) -> list[ToolResult]:
    """Sort results by the places of their calls' ids; results without a call come last."""
    return sorted(results, key=lambda result: places.get(result.call_id, len(places)))
