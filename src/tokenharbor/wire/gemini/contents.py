"""Gemini's contents read into messages of the neutral conversation."""

import base64
import binascii
from collections import deque
from collections.abc import Iterable

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.across import Features, in_places, no_meaning
from tokenharbor.wire.chat import (
    Audio,
    Feature,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.events import Note
from tokenharbor.wire.gemini.asked import Object
from tokenharbor.wire.gemini.signatures import DIALECT, PART, read_signature

CONTENT = frozenset({"role", "parts"})
_ROLES = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.USER, "system": Role.SYSTEM, "": Role.USER}
_OWN = frozenset({"executableCode", "codeExecutionResult"})  # of tools that the vendor ran
_HINTS = frozenset({"mediaResolution", "partMetadata"})
_PART = (
    frozenset({"text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse"})
    | _OWN
    | _HINTS
)
_MEDIA = frozenset({"mimeType", "data", "fileUri", "displayName"})
_CALL = frozenset({"id", "name", "args"})
_RESULT = frozenset({"id", "name", "response", "parts"})
_WORDS = ("output", "result")
_VENDORS_OWN = "generativelanguage.googleapis.com"

_decode_response = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Waiting:
    """Calls that wait for their results, found by id or by name however many there are."""

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
        """The first of the id, or of the name where there is no id."""
        calls = self._by_id.get(id_) if id_ else self._by_name.get(name)
        while calls:
            number, call = calls.popleft()
            if number not in self._taken:
                self._taken.add(number)
                return call
        return None


class Reader:
    """Reads contents in order. Calls without an id get one, and results without one find theirs by name."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._calls = 0
        self._places: dict[str, int] = {}  # of the calls, by their ids
        self._waiting = _Waiting()

    def read(self, contents: Iterable[Object]) -> tuple[Message, ...]:
        """What the model said in a stream may come back as a content for each piece: they are one message again."""
        messages: list[Message] = []
        spoken: list[Part] = []
        for content in contents:
            role, parts = self._content(content)
            if role is Role.ASSISTANT:
                spoken += parts
                continue
            if spoken:
                messages.append(Message(Role.ASSISTANT, tuple(_joined(spoken))))
                spoken = []
            if parts:
                messages.append(Message(role, tuple(parts)))
        return tuple([*messages, Message(Role.ASSISTANT, tuple(_joined(spoken)))] if spoken else messages)

    def _content(self, content: Object) -> tuple[Role, list[Part]]:
        role = _ROLES.get(content.text("role"))
        if role is None:
            raise no_meaning(content.at("role"))
        read = (self._part(piece) for piece in content.objects("parts", _PART))
        parts = [part for part in read if part is not None]
        results = [part for part in parts if isinstance(part, ToolResult)]
        if results:
            rest = [part for part in parts if not isinstance(part, ToolResult)]
            parts = [*in_places(results, self._places), *rest]
        return role, parts

    def _part(self, piece: Object) -> Part | None:
        said = piece.members
        notes = read_signature(piece.text("thoughtSignature")) if "thoughtSignature" in said else ()
        if "functionCall" in said:
            return self._call(piece, notes)
        if "functionResponse" in said:
            return self._result(piece)
        if "inlineData" in said or "fileData" in said:
            return self._media(piece)
        if not _OWN.isdisjoint(said):
            return Opaque(Note(DIALECT, PART, bytes(piece.raw)))
        text = piece.text("text")
        if piece.flag("thought"):
            return Reasoning(text, notes)
        return Text(text, notes=notes) if text or notes else None

    def _call(self, piece: Object, notes: tuple[Note, ...]) -> ToolCall:
        said = piece.object("functionCall", _CALL)
        assert said is not None  # noqa: S101  for mypy: it is in there
        arguments = bytes(said.members["args"]).decode() if "args" in said else "{}"
        self._calls += 1
        made = f"call_{self._calls}"
        call = ToolCall(said.text("id") or made, said.text("name"), arguments, notes=notes)
        self._places[call.id] = self._calls
        self._waiting.add(call)
        return call

    def _result(self, piece: Object) -> ToolResult:
        said = piece.object("functionResponse", _RESULT)
        assert said is not None  # noqa: S101  likewise
        id_, name = said.text("id"), said.text("name")
        call = self._waiting.take(id_, name)
        if call is None and not id_:
            raise InvalidRequest(
                f"`{said.place}` is the result of no call before it: give it the call's `id` or `name`.",
                param=said.place,
            )
        text, failed = _response(said)
        media = [part for one in said.objects("parts", _PART) if (part := self._part(one)) is not None]
        given = tuple(part for part in media if isinstance(part, Text | Image | File))
        if len(given) != len(media):
            raise no_meaning(said.at("parts"))
        parts = ((Text(text),) if text or not given else ()) + given
        return ToolResult(call.id if call else id_, parts, call.name if call else name, failed)

    def _media(self, piece: Object) -> Part:
        inlined = "inlineData" in piece
        media = piece.object("inlineData" if inlined else "fileData", _MEDIA)
        assert media is not None  # noqa: S101  likewise
        kind = media.text("mimeType").lower()
        source = Source(kind, media.text("data")) if inlined else Source(kind, url=_public(media))
        if kind.startswith("image/"):
            self._features.note(Feature.IMAGE if inlined else Feature.IMAGE_URL, media.place)
            return Image(source if inlined else Source(url=source.url))
        if kind.startswith("video/") or (kind.startswith("audio/") and not inlined):
            raise no_meaning(media.at("mimeType"))
        if kind.startswith("audio/"):
            self._features.note(Feature.AUDIO, media.place)
            return Audio(source)
        name = media.text("displayName")
        if inlined and kind.startswith("text/"):
            return File(text=_decoded(source.data, media), name=name)
        self._features.note(Feature.FILE if inlined else Feature.FILE_URL, media.place)
        return File(source, name=name)


def _public(media: Object) -> str:
    """Files that were kept at the vendor are nobody else's to read."""
    url = media.text("fileUri")
    if not url.lower().startswith(("https://", "http://")) or _VENDORS_OWN in url[:120]:
        raise no_meaning(media.at("fileUri"))
    return url


def _decoded(data: str, media: Object) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"`{media.at('data')}` is no text in base64.", param=media.at("data")) from None


def _joined(parts: Iterable[Part]) -> list[Part]:
    """What the model said in a stream stands in pieces, the last of them signed: they are one part again."""
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


def _response(said: Object) -> tuple[str, bool]:
    """A result's words, and whether they are an error's. What has a form of its own stays JSON."""
    if "response" not in said:
        return "", False
    raw = said.members["response"]
    try:
        members = _decode_response(raw)
    except msgspec.DecodeError:
        raise InvalidRequest(f"`{said.at('response')}` must be an object.", param=said.at("response")) from None
    for name in (*_WORDS, "error"):
        if members.keys() == {name} and bytes(members[name])[:1] == b'"':
            return msgspec.json.decode(members[name], type=str), name == "error"
    return bytes(raw).decode(), members.keys() == {"error"}
