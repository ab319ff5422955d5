"""Gemini's contents read into messages of the neutral conversation."""

import base64
import binascii
from collections.abc import Iterable

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.across import Features, in_order, no_meaning
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


class Reader:
    """Reads contents in order. Calls without an id get one, and results without one find theirs by name."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._calls: list[ToolCall] = []
        self._waiting: list[ToolCall] = []  # for their results

    def read(self, contents: Iterable[Object]) -> tuple[Message, ...]:
        return tuple(message for content in contents if (message := self._message(content)) is not None)

    def _message(self, content: Object) -> Message | None:
        role = _ROLES.get(content.text("role"))
        if role is None:
            raise no_meaning(content.at("role"))
        parts: list[Part] = []
        for piece in content.objects("parts", _PART):
            part = self._part(piece)
            if part is not None:
                _join(parts, part, pieces=role is Role.ASSISTANT)
        results = [part for part in parts if isinstance(part, ToolResult)]
        if results:
            rest = [part for part in parts if not isinstance(part, ToolResult)]
            parts = [*in_order(results, self._calls), *rest]
        return Message(role, tuple(parts)) if parts else None

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
        made = f"call_{len(self._calls) + 1}"
        call = ToolCall(said.text("id") or made, said.text("name"), arguments, notes=notes)
        self._calls.append(call)
        self._waiting.append(call)
        return call

    def _result(self, piece: Object) -> ToolResult:
        said = piece.object("functionResponse", _RESULT)
        assert said is not None  # noqa: S101  likewise
        id_, name = said.text("id"), said.text("name")
        call = next((one for one in self._waiting if (one.id == id_ if id_ else one.name == name)), None)
        if call is not None:
            self._waiting.remove(call)
        elif not id_:
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


def _join(parts: list[Part], part: Part, *, pieces: bool) -> None:
    """What the model said in a stream stands in pieces, the last of them signed: they are one part again."""
    last = parts[-1] if parts and pieces else None
    if isinstance(last, Text) and isinstance(part, Text) and not last.notes:
        parts[-1] = Text(last.text + part.text, notes=part.notes)
    elif isinstance(last, Reasoning) and isinstance(part, Reasoning) and not last.notes:
        parts[-1] = Reasoning(last.text + part.text, part.notes)
    else:
        parts.append(part)


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
