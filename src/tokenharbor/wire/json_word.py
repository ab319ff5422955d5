"""Vendors of OpenAI's dialects give any JSON object only where the conversation itself speaks of JSON."""

from tokenharbor.wire.chat import Chat, Message, Role, Text

_ASK = Message(Role.SYSTEM, (Text("Answer with a JSON object."),))


def speaking(chat: Chat, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, with the word said first where an object is asked for and nobody says it."""
    if chat.format is None or chat.format.schema is not None or any(map(_says_it, messages)):
        return messages
    return (_ASK, *messages)


def _says_it(message: Message) -> bool:
    return any(isinstance(part, Text) and "json" in part.text.lower() for part in message.parts)
