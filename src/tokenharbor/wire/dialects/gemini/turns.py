"""Messages of any dialect as Gemini's system instruction and contents of user and model."""

import mimetypes
from collections.abc import Iterable

import msgspec

from tokenharbor.wire.dialects.gemini.json_arguments import arguments
from tokenharbor.wire.dialects.gemini.signatures import DIALECT, SIGNATURE, SKIP
from tokenharbor.wire.fitting.ids import LONG, fit_begun
from tokenharbor.wire.fitting.media_url import with_true_type
from tokenharbor.wire.neutral.chat import (
    Audio,
    File,
    Image,
    MediaSource,
    Message,
    OpaquePart,
    Part,
    Reasoning,
    RefusalText,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note

_BEGINNING = "…"

Piece = dict[str, object] | msgspec.Raw
Turn = tuple[Role, list[Piece]]


def system_and_contents(messages: tuple[Message, ...], *, signed: bool) -> tuple[list[Piece], list[dict[str, object]]]:
    """Return the system instruction and the contents. Later system messages become marked text of the user. Adjacent
    messages of one role are one content. `signed`: the model requires signatures on the calls of the current turn.
    """
    system: list[Piece] = []
    turns: list[Turn] = []
    current = _beginning_of_turn(messages) if signed else len(messages)
    for place, message in enumerate(messages):
        if message.role is Role.SYSTEM and not turns:
            system += _pieces(message.parts)
            continue
        role = Role.ASSISTANT if message.role is Role.ASSISTANT else Role.USER
        pieces = _reminded(message.parts) if message.role is Role.SYSTEM else _pieces(message.parts)
        if message.name and pieces and role is Role.USER:
            pieces.insert(0, {"text": f"{message.name}:"})
        if role is Role.ASSISTANT and place > current:
            _sign(pieces)
        if turns and turns[-1][0] is role:
            turns[-1][1].extend(pieces)
        elif pieces:
            turns.append((role, pieces))
    if not turns:
        turns, system = [(Role.USER, system)] if system else [], []
    elif turns[0][0] is Role.ASSISTANT:  # the vendor requires a user's turn before calls
        turns.insert(0, (Role.USER, [{"text": _BEGINNING}]))
    said = {Role.USER: "user", Role.ASSISTANT: "model"}
    return system, [{"role": said[role], "parts": _results_first(pieces)} for role, pieces in turns]


def _beginning_of_turn(messages: tuple[Message, ...]) -> int:
    """Return the place of the user's last message that is not only results; -1 if there is none."""
    for place in reversed(range(len(messages))):
        message = messages[place]
        if message.role is Role.USER and any(not isinstance(part, ToolResult) for part in message.parts):
            return place
    return -1


def _sign(pieces: list[Piece]) -> None:
    """Sign the first call of a step, as required; another vendor's call gets the documented placeholder."""
    first = next((piece for piece in pieces if isinstance(piece, dict) and "functionCall" in piece), None)
    if first is not None:
        first.setdefault(SIGNATURE, SKIP)


def _results_first(pieces: list[Piece]) -> list[Piece]:
    """Put results first: the vendor requires one per call at the beginning of the next content."""
    return sorted(pieces, key=lambda piece: not (isinstance(piece, dict) and "functionResponse" in piece))


def _reminded(parts: Iterable[Part]) -> list[Piece]:
    words = "\n\n".join(part.text for part in parts if isinstance(part, Text))
    return [{"text": f"<system-reminder>\n{words}\n</system-reminder>"}] if words.strip() else []


def _pieces(parts: Iterable[Part]) -> list[Piece]:
    return [piece for part in parts for piece in _piece(part)]


def _piece(part: Part) -> list[Piece]:
    """Write a part; nothing for empty text and another vendor's reasoning, which the vendor could not read."""
    match part:
        case Text() | RefusalText():
            return _text(part)
        case Image():
            return [_media(with_true_type(part.source), "image/jpeg")]
        case Audio():
            return [_media(part.source, "audio/wav")]
        case File():
            return _file(part)
        case Reasoning():
            signed = _own(part.notes)
            return [{"text": part.text, "thought": True, **signed}] if signed else []
        case ToolCall():
            call = {"name": fit_begun(part.name, LONG), "args": arguments(part.arguments), "id": part.id}
            return [{"functionCall": call, **_own(part.notes)}]
        case ToolResult():
            return _result(part)
        case OpaquePart():
            return [msgspec.Raw(part.note.raw)] if part.note.dialect == DIALECT else []


def _own(notes: Iterable[Note]) -> dict[str, object]:
    raws = [note.raw for note in notes if note.dialect == DIALECT and note.name == SIGNATURE]
    return {SIGNATURE: raws[-1].decode()} if raws else {}


def _text(text: Text | RefusalText) -> list[Piece]:
    signed = _own(text.notes) if isinstance(text, Text) else {}
    return [{"text": text.text, **signed}] if text.text or signed else []


def _media(source: MediaSource, usual: str) -> Piece:
    """Write media. The vendor fetches public URLs and requires their type: an image gets an image type whatever its URL
    looks like, because it was counted as one.
    """
    if source.url:
        guessed, _ = mimetypes.guess_type(source.url.partition("?")[0])
        if guessed and usual.startswith("image/") and not guessed.startswith("image/"):
            guessed = None
        return {"fileData": {"mimeType": source.media_type or guessed or usual, "fileUri": source.url}}
    return {"inlineData": {"mimeType": source.media_type or usual, "data": source.data}}


def _file(file: File) -> list[Piece]:
    said: list[Piece] = [{"text": file.context}] if file.context else []
    if file.source is None:
        return [*said, {"text": f"{file.name}:\n{file.text}" if file.name else file.text}]
    return [*said, _media(file.source, "application/pdf")]


def _result(result: ToolResult) -> list[Piece]:
    """Write a result. Its media come after it: only few models read media inside a result."""
    words = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    media = [piece for part in result.parts if not isinstance(part, Text) for piece in _piece(part)]
    said = {"error": words or "Error"} if result.failed else {"output": words}
    answer: dict[str, object] = {"name": fit_begun(result.name or "tool", LONG), "response": said, "id": result.call_id}
    return [{"functionResponse": answer}, *media]
