"""Reader of Gemini's contents for other dialects."""

import base64
import binascii
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.gemini import request_schema
from tokenharbor.wire.dialects.gemini.signatures import DIALECT, PART, read_signature
from tokenharbor.wire.framing.fields import is_null
from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.chat import (
    Audio,
    Feature,
    File,
    Image,
    MediaSource,
    Message,
    OpaquePart,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import FeatureCollector, in_order_of_places, untranslatable_field

_ROLES = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.USER, "system": Role.SYSTEM, "": Role.USER}
_WORDS = ("output", "result")
_VENDORS_OWN = "generativelanguage.googleapis.com"

_decode_response = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Waiting:
    """Calls that wait for their results, looked up by id or name in constant time."""

    def __init__(self) -> None:
        self._by_id: dict[str, deque[tuple[int, ToolCall]]] = {}
        self._by_name: dict[str, deque[tuple[int, ToolCall]]] = {}
        self._added = 0
        self._taken: set[int] = set()

    def add(self, call: ToolCall) -> None:
        self._added += 1
        self._by_id.setdefault(call.id, deque()).append((self._added, call))
        self._by_name.setdefault(call.name, deque()).append((self._added, call))

    def take(self, id_: str, name: str) -> ToolCall | None:
        """Return the first call with the id, or with the name if there is no id."""
        calls = self._by_id.get(id_) if id_ else self._by_name.get(name)
        while calls:
            number, call = calls.popleft()
            if number not in self._taken:
                self._taken.add(number)
                return call
        return None


class GeminiContentReader:
    """Reads contents in order. Calls without an id get one, and results without one find theirs by name."""

    def __init__(self, features: FeatureCollector, request: Request) -> None:
        self._features = features
        self._request = request
        self._calls = 0
        self._places: dict[str, int] = {}  # the order of calls, by id
        self._waiting = _Waiting()

    def read(self, contents: Sequence[request_schema.GeminiRequestContent]) -> tuple[Message, ...]:
        """Return the messages. Clients may send back one content for each piece of a stream: these are joined."""
        messages: list[Message] = []
        spoken: list[Part] = []
        for at, content in enumerate(contents):
            role = _ROLES.get(content.role)
            if role is None:
                raise untranslatable_field(f"contents[{at}].role")
            parts = self._parts(content.parts, at)
            if role is Role.ASSISTANT:
                spoken += parts
                continue
            if spoken:
                messages.append(Message(Role.ASSISTANT, tuple(_joined(spoken))))
                spoken = []
            if len(parts) > 1:
                parts = self._results_first(parts)
            if parts:
                messages.append(Message(role, tuple(parts)))
        if spoken:
            messages.append(Message(Role.ASSISTANT, tuple(_joined(spoken))))
        return tuple(messages)

    def _parts(self, pieces: Sequence[request_schema.GeminiRequestPart], at: int) -> list[Part]:
        parts: list[Part] = []
        for inner, piece in enumerate(pieces):
            if is_vendors(piece):
                parts.append(OpaquePart(Note(DIALECT, PART, request_schema.unread_part(self._request, at, inner))))
            elif (part := self._part(piece, f"contents[{at}].parts[{inner}]")) is not None:
                parts.append(part)
        return parts

    def _results_first(self, parts: list[Part]) -> list[Part]:
        results = [part for part in parts if isinstance(part, ToolResult)]
        if not results:
            return parts
        return [
            *in_order_of_places(results, self._places),
            *(part for part in parts if not isinstance(part, ToolResult)),
        ]

    def _part(self, piece: request_schema.GeminiRequestPart, place: str) -> Part | None:
        notes = read_signature(piece.thought_signature) if piece.thought_signature else ()
        if piece.function_call:
            return self._call(piece.function_call, notes)
        if piece.function_response:
            return self._result(piece.function_response, f"{place}.functionResponse")
        if piece.inline_data:
            return self._inlined(piece.inline_data, f"{place}.inlineData")
        if piece.file_data:
            return self._elsewhere(piece.file_data, f"{place}.fileData")
        if piece.thought:
            return Reasoning(piece.text, notes)
        return Text(piece.text, None, notes) if piece.text or notes else None

    def _call(self, said: request_schema.GeminiPastCall, notes: tuple[Note, ...]) -> ToolCall:
        arguments = "{}" if is_null(said.args) else bytes(said.args).decode()
        self._calls += 1
        call = ToolCall(said.id or f"call_{self._calls}", said.name, arguments, notes=notes)
        self._places[call.id] = self._calls
        self._waiting.add(call)
        return call

    def _result(self, said: request_schema.FunctionResponse, place: str) -> ToolResult:
        call = self._waiting.take(said.id, said.name)
        if call is None and not said.id:
            raise InvalidRequest(
                f"`{place}` matches no earlier function call: set the `id` or `name` of the call.", param=place
            )
        text, failed = _response(said.response, place)
        media = [part for one in said.parts if (part := self._part(one, f"{place}.parts")) is not None]
        given = tuple([part for part in media if isinstance(part, Text | Image | File)])
        if len(given) != len(media) or any(map(is_vendors, said.parts)):
            raise untranslatable_field(f"{place}.parts")
        parts = ((Text(text),) if text or not given else ()) + given
        return ToolResult(call.id if call else said.id, parts, call.name if call else said.name, failed)

    def _inlined(self, media: request_schema.GeminiMedia, place: str) -> Part:
        kind, name = media.mime_type.lower(), media.display_name
        data = media.data.replace("-", "+").replace("_", "/")  # Google's libraries write URL-safe base64
        if kind.startswith("image/"):
            self._features.note(Feature.IMAGE, place)
            return Image(MediaSource(kind, data))
        _refuse_video(kind, place)
        if kind.startswith("audio/"):
            self._features.note(Feature.AUDIO, place)
            return Audio(MediaSource(kind, data))
        if kind.startswith("text/"):
            return File(text=_decoded(data, f"{place}.data"), name=name)
        self._features.note(Feature.FILE, place)
        return File(MediaSource(kind, data), name=name)

    def _elsewhere(self, media: request_schema.GeminiMedia, place: str) -> Part:
        kind, url = media.mime_type.lower(), _public(media.file_uri, f"{place}.fileUri")
        if kind.startswith("image/"):
            self._features.note(Feature.IMAGE_URL, place)
            return Image(MediaSource(url=url))
        _refuse_video(kind, place)
        if kind.startswith("audio/"):
            raise untranslatable_field(f"{place}.mimeType")
        self._features.note(Feature.FILE_URL, place)
        return File(MediaSource(kind, url=url), name=media.display_name)


def is_vendors(piece: request_schema.GeminiRequestPart) -> bool:
    """Return whether the part belongs to a tool that the vendor ran."""
    code, result = piece.executable_code, piece.code_execution_result
    return (code is not NULL or result is not NULL) and not (is_null(code) and is_null(result))


def _refuse_video(kind: str, place: str) -> None:
    if kind.startswith("video/"):
        raise untranslatable_field(f"{place}.mimeType")


def _public(url: str, place: str) -> str:
    """Return a public URL. Raises InvalidRequest for a file stored at the vendor, which no other vendor can read."""
    if not url.lower().startswith(("https://", "http://")) or _VENDORS_OWN in url[:120]:
        raise untranslatable_field(place)
    return url


def _decoded(data: str, place: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"`{place}` is not base64 of UTF-8 text.", param=place) from None


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Join adjacent pieces of a stream into one part; only the last of them is signed."""
    joined: list[Part] = []
    run: list[Text | Reasoning] = []
    for part in parts:
        if run and (type(part) is not type(run[-1]) or run[-1].notes):
            joined.append(_whole(run))
            run = []
        if isinstance(part, Text | Reasoning):
            run.append(part)
        else:
            joined.append(part)
    return [*joined, _whole(run)] if run else joined


def _whole(run: list[Text | Reasoning]) -> Part:
    return msgspec.structs.replace(run[-1], text="".join([part.text for part in run]))


def _response(raw: msgspec.Raw, place: str) -> tuple[str, bool]:
    """Return a result's text, and whether it is an error. A structured result stays JSON."""
    if is_null(raw):
        return "", False
    if bytes(raw).startswith(b'"'):  # some clients send a bare string
        return msgspec.json.decode(raw, type=str), False
    try:
        members = _decode_response(raw)
    except msgspec.DecodeError:
        raise InvalidRequest(f"`{place}.response` must be an object.", param=f"{place}.response") from None
    for name in (*_WORDS, "error"):
        if members.keys() == {name} and bytes(members[name])[:1] == b'"':
            return msgspec.json.decode(members[name], type=str), name == "error"
    return bytes(raw).decode(), members.keys() == {"error"}
