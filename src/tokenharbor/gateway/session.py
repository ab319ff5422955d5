"""Client sessions: groups an account's requests by the ids that clients send, else by how conversations begin."""

from hashlib import blake2b

import msgspec

from tokenharbor.http.head import HeaderMap
from tokenharbor.kernel.ids import UUID, of_digest, show
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text

_HEADERS = (
    b"x-parent-session-id",  # opencode's, of a sub-agent, which belongs to its parent's session
    b"x-session-id",  # any client's, and opencode's
    b"x-claude-code-session-id",
    b"session-id",  # Codex
    b"session_id",  # older versions of Codex
    b"x-opencode-session",
    b"x-session-affinity",
)
"""The headers that name a session; the first one present counts."""

_FIELDS = ("session_id", "prompt_cache_key")
"""The fields that name a session if no header does; after them `metadata.user_id`."""

_NAMED_BY_HEADER = frozenset(_HEADERS)
_NAMED_BY_FIELD = frozenset((*_FIELDS, "metadata"))
_SIZE = 16
_MOST = 16_384
"""Characters of a conversation's beginning that identify it."""


class _Metadata(msgspec.Struct, frozen=True):
    user_id: str | None = None


_decode_metadata = msgspec.json.Decoder(_Metadata).decode
_decode_text = msgspec.json.Decoder(str | None).decode


class SessionNames:
    """Makes session ids: a keyed hash of account and name. All gateways make the same id, accounts never share one, and
    the name cannot be recovered.
    """

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(digest_size=_SIZE, key=secret)  # copied for each id, so that the key is processed once

    def of_request(self, account_id: UUID, headers: HeaderMap, members: Members) -> str:
        """Return the session id by the name that the client sent, or "" if it sent none."""
        if _NAMED_BY_HEADER.isdisjoint(headers):
            if _NAMED_BY_FIELD.isdisjoint(members):
                return ""
            name = _name_in(members)
        else:
            name = next((headers[each] for each in _HEADERS if headers.get(each)), b"") or _name_in(members)
        return self._show(account_id, b"n", name) if name else ""

    def of_conversation(self, account_id: UUID, chat: Chat) -> str:
        """Return the session id by the system prompt and first message, which all requests of a conversation repeat."""
        return self._show(account_id, b"c", beginning(chat, system=True).encode("utf-8", "surrogatepass"))

    def _show(self, account_id: UUID, kind: bytes, name: bytes) -> str:
        keyed = self._keyed.copy()
        keyed.update(kind + account_id.bytes + name)
        return show("conv", of_digest(keyed.digest()))


def beginning(chat: Chat, *, system: bool) -> str:
    """Return the text of the first message that is not a system message, after the system prompt if `system`."""
    pieces: list[str] = []
    room = _MOST if system else 0  # of the system prompt
    for message in chat.messages:
        if message.role is not Role.SYSTEM:
            pieces.append(_words(message, _MOST))
            break
        if room > 0:
            pieces.append(_words(message, room))
            room -= len(pieces[-1]) + 1
    return "\0".join(pieces)


def _words(message: Message, most: int) -> str:
    """Return at most `most` characters of a message's text."""
    pieces: list[str] = []
    for part in message.parts:
        if most <= 0:
            break
        if isinstance(part, Text):
            pieces.append(part.text[:most])
            most -= len(pieces[-1]) + 1
    return "\n".join(pieces)


def _name_in(members: Members) -> bytes:
    """Return the name in a body's fields, or b"" if there is none or it cannot be read: the dialect checks the
    fields.
    """
    try:
        for field in _FIELDS:
            if field in members and (text := _decode_text(members[field])):
                return bytes(text.encode())
        if "metadata" in members and (user := _decode_metadata(members["metadata"]).user_id):
            return user.encode()
    except (*UNREADABLE, UnicodeEncodeError):
        pass
    return b""
