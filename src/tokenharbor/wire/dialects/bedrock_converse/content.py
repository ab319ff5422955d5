"""Writer of a conversation's parts as Converse's content blocks."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.bedrock_converse.reader import DIALECT
from tokenharbor.wire.fitting.ids import SHORT, fit
from tokenharbor.wire.fitting.media_url import with_true_type
from tokenharbor.wire.neutral.chat import (
    Audio,
    Feature,
    File,
    Image,
    MediaSource,
    OpaquePart,
    Part,
    Reasoning,
    RefusalText,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note

Block = dict[str, object]
"""A block of content: one member, named for its kind."""

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_SOUNDS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/webm": "webm",
    "audio/mp4": "mp4",
    "audio/pcm": "pcm",
}
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")  # in documents' names
_SPACES = re.compile(r" {2,}")
_LONGEST_NAME = 200
_NO_OUTPUT = "(no output)"
_SEE = "(see the document)"  # a document requires text beside it

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ConverseBlockWriter:
    """Writes one request's blocks: `fields` names the caller's field for each feature, `call_id` adapts calls' ids,
    `caches` tells whether the model supports cache marks. Documents get distinct names.
    """

    def __init__(self, fields: dict[Feature, str], call_id: Callable[[str], str], *, caches: bool) -> None:
        self._fields = fields
        self._call_id = call_id
        self._caches = caches
        self._names: set[str] = set()

    def blocks(self, parts: Iterable[Part]) -> list[Block]:
        written: list[Block] = []
        for part in sorted(parts, key=lambda part: not isinstance(part, ToolResult)):  # results go first in a turn
            before = len(written)
            written += self._part(part)
            if len(written) > before:
                written += self.mark(getattr(part, "cache", None))
        if any("document" in block for block in written) and not any("text" in block for block in written):
            written.append({"text": _SEE})
        return written

    def mark(self, cache: str | None) -> list[Block]:
        """Return the vendor's cache mark, if any."""
        if cache is None or not self._caches:
            return []
        return [{"cachePoint": {"type": "default", **({"ttl": cache} if cache == "1h" else {})}}]

    def _part(self, part: Part) -> list[Block]:
        match part:
            case Text() | RefusalText():
                return [{"text": part.text}] if part.text.strip() else []
            case Image():
                return [{"image": self._media(with_true_type(part.source), _IMAGES, Feature.IMAGE)}]
            case File():
                return [{"document": self._document(part)}]
            case Audio():
                return [{"audio": self._media(part.source, _SOUNDS, Feature.AUDIO)}]
            case Reasoning():
                return list(_reasoning(part.text, [note for note in part.notes if note.dialect == DIALECT]))
            case ToolCall():
                return [
                    {
                        "toolUse": {
                            "toolUseId": self._call_id(part.id),
                            "name": fit(part.name, SHORT),
                            "input": _input(part),
                        }
                    }
                ]
            case ToolResult():
                return [{"toolResult": self._result(part)}]
            case OpaquePart():
                known = part.note.dialect == DIALECT and part.note.name == "block"
                return [_decode_object(part.note.raw)] if known else []  # type: ignore[list-item]  # unread members

    def _media(self, source: MediaSource, formats: dict[str, str], feature: Feature) -> Block:
        media_type = source.media_type.partition(";")[0].strip().lower()
        if media_type not in formats or not source.data:
            raise self._wrong(feature, f"must be base64 of one of {', '.join(sorted(formats))}")
        return {"format": formats[media_type], "source": {"bytes": source.data}}

    def _document(self, file: File) -> Block:
        if file.source is None:
            written: Block = {"format": "txt", "source": {"bytes": base64.b64encode(file.text.encode()).decode()}}
        else:
            written = self._media(file.source, _DOCUMENTS, Feature.FILE)
        context = {"context": file.context} if file.context else {}
        return {**written, "name": self._name(file.name), **context}

    def _name(self, name: str) -> str:
        """Return the name in the vendor's characters, unique among the request's documents."""
        plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub(" ", name)).strip()[: _LONGEST_NAME - 8] or "document"
        count = 1
        while (unique := plain if count == 1 else f"{plain} ({count})") in self._names:
            count += 1
        self._names.add(unique)
        return unique

    def _result(self, result: ToolResult) -> Block:
        content = [block for part in result.parts for block in self._part(part)]
        failed = {"status": "error"} if result.failed else {}
        return {"toolUseId": self._call_id(result.call_id), "content": content or [{"text": _NO_OUTPUT}], **failed}

    def _wrong(self, feature: Feature, why: str) -> InvalidRequest:
        param = self._fields.get(feature, "messages")
        return InvalidRequest(f"`{param}` {why}.", param=param)


def _input(call: ToolCall) -> object:
    """Return the arguments as given; text that is not an object, which the vendor requires, is wrapped in one."""
    try:
        _decode_object(call.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"_unreadable": call.arguments}
    return msgspec.Raw((call.arguments or "{}").encode())


def _reasoning(text: str, notes: list[Note]) -> Iterator[Block]:
    """Yield reasoning that the vendor signed or encrypted; it accepts no other reasoning back."""
    signature = b"".join(note.raw for note in notes if note.name == "signature").decode()
    if signature:
        yield {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
    sealed = _join([note.raw for note in notes if note.name == "redacted"])
    if sealed:
        yield {"reasoningContent": {"redactedContent": sealed}}


def _join(pieces: list[bytes]) -> str:
    """Join base64 pieces into one."""
    if len(pieces) <= 1:
        return b"".join(pieces).decode()
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
    except binascii.Error:  # altered by the caller: the vendor reports the error
        return b"".join(pieces).decode()
