"""Messages of any dialect as Anthropic's system prompt and turns of user and assistant."""

import base64
import binascii
from collections.abc import Iterable

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.anthropic_messages.json_arguments import arguments, cached
from tokenharbor.wire.dialects.anthropic_messages.reader import DIALECT
from tokenharbor.wire.fitting.ids import LONG, SHORT, fit
from tokenharbor.wire.fitting.media_url import NO_IMAGE, with_true_type
from tokenharbor.wire.neutral.chat import (
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

Block = dict[str, object] | msgspec.Raw

_SAID = {Role.USER: "user", Role.ASSISTANT: "assistant"}
_BEGINNING = "…"
_PDF = "application/pdf"


def system_and_turns(messages: Iterable[Message]) -> tuple[object, list[dict[str, object]]]:
    """Return the system prompt and the turns. Later system messages become marked text of the user, since few models
    know the role in mid-conversation. Adjacent messages of one role are one turn.
    """
    system: list[Block] = []
    turns: list[tuple[Role, list[Block]]] = []
    for message in messages:
        if message.role is Role.SYSTEM and not turns:
            system += _blocks(message.parts)
            continue
        if message.role is Role.ASSISTANT:
            role, blocks = Role.ASSISTANT, _blocks([_shown(part) for part in message.parts])
        else:
            role, blocks = Role.USER, (_blocks if message.role is Role.USER else _reminded)(message.parts)
        if message.name and blocks and role is Role.USER:
            blocks.insert(0, {"type": "text", "text": f"{message.name}:"})
        if turns and turns[-1][0] is role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    if not turns:
        turns, system = [(Role.USER, system)] if system else [], []
    if turns:
        _begin(turns)
    return _plain(system), [{"role": _SAID[role], "content": _plain(_results_first(blocks))} for role, blocks in turns]


def _begin(turns: list[tuple[Role, list[Block]]]) -> None:
    """Make the turns valid: the first is the user's, and an assistant prefix does not end in whitespace."""
    if turns[-1][0] is Role.ASSISTANT:
        last = turns[-1][1][-1]
        if isinstance(last, dict) and last["type"] == "text":
            turns[-1][1][-1] = {**last, "text": str(last["text"]).rstrip()}
    if turns[0][0] is Role.ASSISTANT:
        turns.insert(0, (Role.USER, [{"type": "text", "text": _BEGINNING}]))


def _shown(part: Part) -> Part:
    """Replace an assistant's image, which the vendor refuses."""
    return Text(NO_IMAGE) if isinstance(part, Image) else part


def _plain(blocks: list[Block]) -> object:
    """Return a single bare text block as a string."""
    if len(blocks) == 1:
        only = blocks[0]
        if isinstance(only, dict) and len(only) == 2 and "text" in only:
            return only["text"]
    return blocks


def _reminded(parts: Iterable[Part]) -> list[Block]:
    words = "\n\n".join(part.text for part in parts if isinstance(part, Text))
    return [{"type": "text", "text": f"<system-reminder>\n{words}\n</system-reminder>"}] if words.strip() else []


def _results_first(blocks: list[Block]) -> list[Block]:
    """Put results first, as the vendor requires after their calls."""
    if len(blocks) == 1:
        return blocks
    results = [block for block in blocks if _is_result(block)]
    return results + [block for block in blocks if not _is_result(block)] if results else blocks


def _is_result(block: Block) -> bool:
    return isinstance(block, dict) and block["type"] == "tool_result"


def _blocks(parts: Iterable[Part]) -> list[Block]:
    blocks = []
    for part in parts:
        block = _block(part)
        if block is not None:
            blocks.append(block)
    return blocks


def _block(part: Part) -> Block | None:
    """Write a part; None for empty text and another vendor's reasoning, which the vendor would refuse."""
    match part:
        case Text() | RefusalText():
            return _text(part)
        case Image():
            return {"type": "image", "source": _source(with_true_type(part.source)), **cached(part.cache)}
        case File():
            return _document(part)
        case Reasoning():
            return _thought(part)
        case ToolCall():
            return _call(part)
        case ToolResult():
            return _result(part)
        case OpaquePart():
            return msgspec.Raw(part.note.raw) if part.note.dialect == DIALECT else None
    return None


def _text(text: Text | RefusalText) -> Block | None:
    if not text.text.strip():
        return None
    block: dict[str, object] = {"type": "text", "text": text.text}
    if isinstance(text, RefusalText):
        return block
    if text.cache is not None:
        block.update(cached(text.cache))
    if text.notes:
        cited = [msgspec.Raw(note.raw) for note in text.notes if note.dialect == DIALECT and note.name == "citation"]
        if cited:
            block["citations"] = cited
    return block


def is_own(thought: Reasoning) -> bool:
    """Return whether the vendor itself produced and signed this thinking."""
    return any(note.dialect == DIALECT for note in thought.notes)


def _thought(thought: Reasoning) -> Block | None:
    own = {note.name: note.raw.decode() for note in thought.notes if note.dialect == DIALECT}
    if "redacted_thinking" in own:
        return {"type": "redacted_thinking", "data": own["redacted_thinking"]}
    if "signature" in own:
        return {"type": "thinking", "thinking": thought.text, "signature": own["signature"]}
    return None


def _call(call: ToolCall) -> Block:
    block = {
        "type": "tool_use",
        "id": fit(call.id, SHORT),
        "name": fit(call.name, LONG),
        "input": arguments(call.arguments),
    }
    return {**block, **cached(call.cache)}


def _result(result: ToolResult) -> Block:
    block: dict[str, object] = {"type": "tool_result", "tool_use_id": fit(result.call_id, SHORT)}
    content = _blocks(result.parts)
    if content:
        block["content"] = _plain(content)
    if result.failed and all(isinstance(part, Text) for part in result.parts):
        block.setdefault("content", "Error")  # the vendor requires content in an error
        block["is_error"] = True
    elif result.failed:  # the vendor allows only text in an error
        block["content"] = [{"type": "text", "text": "Error:"}, *content]
    return {**block, **cached(result.cache)}


def _source(source: MediaSource) -> dict[str, object]:
    if source.url:
        return {"type": "url", "url": source.url}
    return {"type": "base64", "media_type": source.media_type, "data": source.data}


def _document(file: File) -> Block:
    source = file.source
    if source is None:
        said: dict[str, object] = {"type": "text", "media_type": "text/plain", "data": file.text}
    elif source.data and source.media_type.startswith("text/"):
        said = {"type": "text", "media_type": "text/plain", "data": _decoded(source.data)}
    elif source.data and source.media_type != _PDF:
        raise InvalidRequest(
            f"A file in `messages` is {source.media_type[:60]!r}, which the providers of this model"
            " do not support: send PDF or text.",
            param="messages",
        )
    else:
        said = _source(source)
    block: dict[str, object] = {"type": "document", "source": said}
    if file.name:
        block["title"] = file.name
    if file.context:
        block["context"] = file.context
    if file.citations:
        block["citations"] = {"enabled": True}
    return {**block, **cached(file.cache)}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest("A file in `messages` is not base64 of UTF-8 text.", param="messages") from None
