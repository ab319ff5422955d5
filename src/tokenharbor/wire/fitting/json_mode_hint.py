"""Messages that ask for a JSON object: for vendors that require the conversation to mention JSON, and for those without
a JSON mode.
"""

from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text

_ASK = Message(Role.SYSTEM, (Text("Answer with a JSON object."),))
_TELL = Message(Role.SYSTEM, (Text("Answer with a JSON object alone: no words around it and no code fence."),))


def mention_json(chat: Chat, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Prepend a request for JSON if a JSON object is wanted and no message mentions JSON."""
    if chat.format is None or chat.format.schema is not None or any(map(_mentions_json, messages)):
        return messages
    return (_ASK, *messages)


def instruct_json(chat: Chat, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Prepend the instruction if a JSON object is wanted, for a vendor without a JSON mode."""
    if chat.format is None or chat.format.schema is not None:
        return messages
    return (_TELL, *messages)


def _mentions_json(message: Message) -> bool:
    return any(isinstance(part, Text) and "json" in part.text.lower() for part in message.parts)
