"""A JSON object of any kind, where the conversation must ask for it: at vendors of OpenAI's dialects, which give one
only where it speaks of JSON, and at those that have no such mode.
"""

from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text

_ASK = Message(Role.SYSTEM, (Text("Answer with a JSON object."),))
_TELL = Message(Role.SYSTEM, (Text("Answer with a JSON object alone: no words around it and no code fence."),))


def mention_json(chat: Chat, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, with the word said first where an object is asked for and nobody says it."""
    if chat.format is None or chat.format.schema is not None or any(map(_mentions_json, messages)):
        return messages
    return (_ASK, *messages)


def instruct_json(chat: Chat, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, with the instruction first where an object is asked for, for a vendor that knows it by words
    alone.
    """
    if chat.format is None or chat.format.schema is not None:
        return messages
    return (_TELL, *messages)


def _mentions_json(message: Message) -> bool:
    return any(isinstance(part, Text) and "json" in part.text.lower() for part in message.parts)
