"""Short builders of conversations for tests."""

from tokenharbor.wire.neutral.chat import Chat, Message, Part, Role, Text, Tool, ToolCall, ToolResult


def said(*texts: str, results: tuple[str, ...] = (), failed: bool = False) -> Message:
    """A user's message; `results` are the ids of calls that it answers."""
    answered: tuple[Part, ...] = tuple(ToolResult(each, (Text("done"),), failed=failed) for each in results)
    return Message(Role.USER, answered + tuple(Text(text) for text in texts))


def told(*texts: str) -> Message:
    """A system message."""
    return Message(Role.SYSTEM, tuple(Text(text) for text in texts))


def called(name: str, call: str = "call-1", arguments: str = "{}") -> Message:
    """The assistant calls a tool."""
    return Message(Role.ASSISTANT, (ToolCall(call, name, arguments),))


def chat(*messages: Message, tools: tuple[str, ...] = ()) -> Chat:
    return Chat(tuple(messages), tools=tuple(Tool(name) for name in tools))
