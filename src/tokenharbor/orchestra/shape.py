"""The shape of a conversation: its texts, bounded, without tool output and without text that agents add."""

from collections.abc import Iterable, Sequence

import msgspec

from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, ToolResult

MOST_CHARACTERS = 50_000
"""The most characters of a conversation that are read."""

_SYSTEM = (4_000, 1_000)
_FIRST = (1_500, 500)
_LAST = (3_000, 2_000)
_PREAMBLE = 300  # characters of the longest one
_MOST_MESSAGES = 200
_MOST_PARTS = 16  # the last parts of a message
_MOST_BLOCKS = 16  # of an agent before the user's words
_MOST_TOOLS = 64
_WRAPPERS = frozenset(
    {"system-reminder", "environment_context", "environment_details", "user_instructions", "command-message"}
    | {"command-name", "command-args", "local-command-stdout", "local-command-caveat", "session_context"}
)
"""Tags of text that agents add to the user's messages."""
_NOT_SPOKEN = (
    "summarize the task tool output above",
    "the following tool was executed by the user",
    "another language model started to solve this problem",
    "this session is being continued from a previous conversation",
    "<turn_aborted>",
)
"""Beginnings of messages that an agent sends in its user's name."""


class Shape(msgspec.Struct, frozen=True):
    """The texts that are classified, in lower case. Nothing after the user's newest words counts, so that all requests
    of a tool loop have the same stage. `first` is "" if it is also the last.
    """

    system: str
    first: str
    last: str
    tools: tuple[str, ...]
    several_turns: bool


def read_shape(chat: Chat, preambles: tuple[str, ...] = ()) -> Shape:
    """Return the shape of a conversation. `preambles` are beginnings of system prompt parts that all prompts of an
    agent share, and that are left out.
    """
    messages = _ends(chat.messages)
    oldest, first = _first_words(enumerate(messages))
    newest, last = _first_words((number, messages[number]) for number in reversed(range(len(messages))))
    return Shape(
        _window("\n".join(system_texts(messages, preambles)), _SYSTEM).lower(),
        _window(first, _FIRST).lower() if newest > oldest else "",
        _window(last, _LAST).lower(),
        tuple(tool.name.lower() for tool in chat.tools[:_MOST_TOOLS]),
        several_turns=newest > oldest,
    )


def _first_words(messages: Iterable[tuple[int, Message]]) -> tuple[int, str]:
    """Return the number and the words of the first message with words of the user; (-1, "") if there is none."""
    for number, message in messages:
        if message.role is Role.USER and (words := user_words(message)):
            return number, words
    return -1, ""


def in_tool_loop(chat: Chat) -> bool:
    """Return whether the last message, system messages aside, has a tool's result."""
    last = next((each for each in reversed(chat.messages) if each.role is not Role.SYSTEM), None)
    return last is not None and any(isinstance(part, ToolResult) for part in last.parts)


def texts_of(message: Message) -> list[str]:
    """Return a message's texts: its last parts if there are many, both ends of long ones."""
    return [_bounded(part.text) for part in message.parts[-_MOST_PARTS:] if isinstance(part, Text)]


def _bounded(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS // 2] + text[-MOST_CHARACTERS // 2 :]


def _ends(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages; of a long conversation, only its beginning and end."""
    if len(messages) <= _MOST_MESSAGES:
        return messages
    return [*messages[:20], *messages[20 - _MOST_MESSAGES :]]


def system_texts(messages: Sequence[Message], preambles: tuple[str, ...]) -> list[str]:
    """Return the system texts before the first turn, without preambles."""
    texts: list[str] = []
    for message in messages:
        if message.role is not Role.SYSTEM:
            break
        texts += texts_of(message)
    return [text for text in texts if len(text) > _PREAMBLE or not text.lower().startswith(preambles)]


def user_words(message: Message) -> str:
    """Return the user's own words in a message, without tool output and reminders."""
    words = "\n".join(filter(None, map(_unwrapped, texts_of(message))))
    return "" if words[:100].lower().startswith(_NOT_SPOKEN) else words


def _unwrapped(text: str) -> str:
    """Return a text without the tagged blocks that an agent put before it; an unclosed block extends to the end."""
    text = text.strip()
    for _ in range(_MOST_BLOCKS):
        if not text.startswith("<"):
            break
        tag = text[1:40].split(">", 1)[0]
        if tag.lower() not in _WRAPPERS:
            break
        end = f"</{tag}>"
        text = text.partition(end)[2].strip()
    return text


def _window(text: str, sizes: tuple[int, int]) -> str:
    head, tail = sizes
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"
