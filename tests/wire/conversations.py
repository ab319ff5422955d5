"""Random conversations, and their meaning in any dialect."""

import base64
import re
from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import strategies as st
from tests.wire.answers import arguments, names

from tokenharbor.wire.fitting.reasoning_effort import effort_of
from tokenharbor.wire.neutral.chat import (
    AnswerFormat,
    Chat,
    Feature,
    File,
    Image,
    MediaSource,
    Message,
    Part,
    ReasoningRequest,
    RefusalText,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
    callable_tools,
)

ABLE = frozenset({"tools", "json_schema", "vision", "pdf", "reasoning", "audio", "adaptive_reasoning"})
ORDER = VendorOptions("up", stream=False, max_output=50_000, most_output=60_000, capabilities=ABLE)

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=12)
data = st.binary(min_size=1, max_size=9).map(lambda raw: base64.b64encode(raw).decode())
texts = st.builds(Text, words)
pictures = st.builds(
    lambda kind, rest: Image(MediaSource(kind[0], base64.b64encode(kind[1] + rest).decode())),
    # with the first bytes of an image
    st.sampled_from([("image/png", b"\x89PNG\r\n\x1a\n\0"), ("image/jpeg", b"\xff\xd8\xff")]),
    st.binary(max_size=9),
)
linked = st.builds(Image, st.builds(MediaSource, url=words.map(lambda word: f"https://pictures.example/{word}")))
papers = st.builds(
    File, st.builds(MediaSource, st.just("application/pdf"), data), name=names.map(lambda name: f"{name}.pdf")
)

NEEDS = {Image: Feature.IMAGE, File: Feature.FILE}
SCHEMAS = (
    b'{"type":"object","properties":{"Port":{"type":"string"},"a":{}},"required":["Port"]}',
    b'{"type": "object","properties":{}}',
)
CLOSED = b'{"type":"object","properties":{"Port":{"type":"string"}},"required":["Port"],"additionalProperties":false}'


@st.composite
def conversations(draw: st.DrawFn) -> Chat:
    """Conversations that every dialect can express: text, images, documents, parallel calls with
    results, and settings.
    """
    tools = draw(
        st.lists(st.builds(Tool, _tools, words, st.sampled_from(SCHEMAS)), max_size=3, unique_by=lambda one: one.name)
    )
    messages = [Message(Role.SYSTEM, (draw(texts),))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        messages.append(Message(Role.USER, tuple(draw(st.lists(texts | pictures | papers, min_size=1, max_size=3)))))
        messages += _answered(draw, tools)
    messages.append(Message(Role.USER, tuple(draw(st.lists(texts | linked, min_size=1, max_size=2)))))
    choice = draw(_choices(tools))
    forced = choice is not None and choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    thinks = not forced and draw(st.booleans())
    answer = AnswerFormat(CLOSED, "answer", strict=True) if draw(st.booleans()) else None
    stop = tuple(draw(st.lists(words, max_size=2)))
    return Chat(
        messages=tuple(messages),
        features=_features(messages, tools, answer) | ({Feature.FORCED_CALL: "tool_choice"} if forced else {}),
        tools=tuple(tools),
        tool_choice=choice,
        format=answer,
        thinking=ReasoningRequest(draw(st.sampled_from(["low", "medium", "high"]))) if thinks else None,
        sampling=Sampling() if thinks else draw(_samplings),
        stop=stop,
    )


_tools = names.map(lambda name: name if name[0].isalpha() or name[0] == "_" else f"t{name}")  # required by one vendor
_samplings = st.builds(Sampling, st.sampled_from([None, 0.0, 0.5])) | st.builds(
    Sampling, st.none(), st.sampled_from([0.25, 0.9])
)  # some vendors accept only one of the two


def _answered(draw: st.DrawFn, tools: list[Tool]) -> list[Message]:
    said: tuple[Part, ...] = (draw(texts),)
    if not tools or draw(st.booleans()):
        return [Message(Role.ASSISTANT, said)]
    called = draw(st.lists(st.tuples(names, st.sampled_from(tools), arguments), min_size=1, max_size=3))
    calls = tuple(ToolCall(f"call_{id_}_{place}", tool.name, text) for place, (id_, tool, text) in enumerate(called))
    given = tuple(ToolResult(call.id, (draw(texts),), call.name, failed=draw(st.booleans())) for call in calls)
    return [
        Message(Role.ASSISTANT, said + calls if draw(st.booleans()) else calls),
        Message(Role.USER, given),
        Message(Role.ASSISTANT, said),
    ]


def _choices(tools: list[Tool]) -> st.SearchStrategy[ToolChoice | None]:
    if not tools:
        return st.none()
    some = st.lists(st.sampled_from([tool.name for tool in tools]), min_size=1, max_size=2, unique=True).map(tuple)
    return (
        st.sampled_from([None, *map(ToolChoice, (ToolChoiceMode.AUTO, ToolChoiceMode.NONE, ToolChoiceMode.REQUIRED))])
        | some.map(lambda names: ToolChoice(ToolChoiceMode.AUTO, names))
        | some.map(lambda names: ToolChoice(ToolChoiceMode.NAMED, names[:1]))
    )


def _features(messages: Iterable[Message], tools: list[Tool], answer: AnswerFormat | None) -> dict[Feature, str]:
    found = {Feature.TOOLS: "tools"} if tools else {}
    if answer is not None:
        found[Feature.JSON_SCHEMA] = "response_format"
    for message in messages:
        for part in message.parts:
            if isinstance(part, Image | File):
                linked_ = isinstance(part, Image) and part.source.url
                found[Feature.IMAGE_URL if linked_ else NEEDS[type(part)]] = "messages"
    return found


class ConversationMeaning(NamedTuple):
    """The meaning of a conversation in any dialect: calls and results by the order of the calls."""

    turns: tuple[tuple[Role, tuple[object, ...]], ...]
    tools: tuple[tuple[str, str, bytes | None], ...]
    choice: ToolChoiceMode | None
    schema: bytes | None
    effort: str | None
    sampling: Sampling
    stop: tuple[str, ...]


def meaning_of(chat: Chat) -> ConversationMeaning:
    calls: list[str] = []  # their ids: some vendors restart them in each answer
    turns: list[tuple[Role, list[object]]] = []
    for message in chat.messages:
        if not turns or turns[-1][0] is not message.role:
            turns.append((message.role, []))
        for part in message.parts:
            turns[-1][1].append(_sense(part, calls))
    thinking = chat.thinking
    effort = (thinking.effort or effort_of(thinking.budget or 0)) if thinking else None
    mode = chat.tool_choice.mode if chat.tool_choice else None
    sampling = chat.sampling if effort is None else Sampling()
    return ConversationMeaning(
        tuple((role, tuple(parts)) for role, parts in turns),
        tuple((tool.name, tool.description, tool.schema) for tool in callable_tools(chat)),
        None if mode is ToolChoiceMode.AUTO else mode,
        chat.format.schema if chat.format else None,
        effort,
        sampling,
        chat.stop,
    )


def _sense(part: Part, calls: list[str]) -> object:
    match part:
        case Text() | RefusalText():
            return part.text
        case Image():
            return part.source
        case File():
            return part.source  # its name is for people: some dialects have no field for it
        case ToolCall():
            calls.append(part.id)
            return len(calls), part.name, part.arguments
        case ToolResult():
            text = "\n".join(one.text for one in part.parts if isinstance(one, Text))
            place = len(calls) - calls[::-1].index(part.call_id)
            return place, re.sub(r"^Error:\s", "", text)  # dialects without a field for a failure
    return part
