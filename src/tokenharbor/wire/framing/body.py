"""JSON objects kept as bytes: the positions of top-level members, and edits that leave every other byte alone."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.names import meant_by, shown

Members = dict[str, msgspec.Raw]
"""Each member's value, unread."""

Span = tuple[str, int, int, int]
"""A member: its name, where its name's quote starts, where its value starts and ends."""

_decode = msgspec.json.Decoder(Members).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

_SPACE = rb"[ \t\n\r]*"
_OPEN = re.compile(_SPACE + rb"\{")
_NAME = re.compile(_SPACE + rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")' + _SPACE + rb":" + _SPACE, re.DOTALL)  # never backtracks
_AFTER = re.compile(_SPACE + rb"([,}])")
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")  # a high surrogate without a low one
_NEAR = 16  # bytes from the end
_SHOWN = 60  # characters of a caller's own name that an error repeats

# Limits on JSON: each object and each name takes many times its bytes once decoded. No model's context has room for so
# many.
_MOST_NAMES = 1_000  # at the top level
_MOST_OBJECTS = 1_000_000
_NEVER_TOO_MANY = 1 << 20  # bytes; a smaller body cannot hold that many
_SMALL = 64 << 10  # bytes; decoded in a few milliseconds, whatever the content
_PIECE = 1 << 20  # bytes scanned in one call
_RARE = 64  # occurrences in a piece: too few to count


class UnreadableError(ValueError):
    """The body is not one JSON object in UTF-8 with distinct keys; the message says why."""

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name


def scan(body: bytes) -> Members:
    """Return the members of a JSON object. Raises UnreadableError, also for a repeated key: two readers of such a body
    may see different values.
    """
    members = _members(body)
    if len(members) > _MOST_NAMES:
        raise UnreadableError(f"more than {_MOST_NAMES} keys")
    if not _is_compact(body, members):
        for _ in _walk(body, members):
            pass
    return members


def check_text(body: bytes) -> None:
    """Raise UnicodeDecodeError unless the body is UTF-8; the JSON decoder does not check members
    that it leaves unread.
    """
    if len(body) <= _PIECE:
        if not body.isascii():
            body.decode()
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        decode(piece, start + _PIECE >= len(body))


def has_too_many_values(body: bytes) -> bool:
    """Return whether JSON may have more objects, keys or values than any request needs, by counting, not decoding."""
    return len(body) > _NEVER_TOO_MANY and any(_has_many(body, mark) for mark in (b"{", b":", b","))


def _has_many(body: bytes, mark: bytes) -> bool:
    """Count in pieces, so that other threads can run in between."""
    count = 0
    for start in range(0, len(body), _PIECE):
        if not _is_rare(body, mark, start):
            count += body.count(mark, start, start + _PIECE)
            if count > _MOST_OBJECTS:
                return True
    return False


def _is_rare(body: bytes, mark: bytes, start: int) -> bool:
    """Return whether a mark is rare in a piece: searching for it is many times faster than counting, and media are long
    without marks.
    """
    at, end = start, start + _PIECE
    for _ in range(_RARE):
        at = body.find(mark, at, end) + 1
        if not at:
            return True
    return False


def spans(body: bytes, members: Members) -> Iterable[Span]:
    """Return the positions of a scanned body's members, in order; computed lazily."""
    return _add_up(members) if _is_compact(body, members) else _walk(body, members)


def _is_compact(body: bytes, members: Members) -> bool:
    """Return whether there is no whitespace between tokens. Then the lengths add up to the body's: every repeated key,
    space or escape would make it longer, so equality proves that each member is where the lengths say.
    """
    return sum(map(len, members)) + sum(map(len, members.values())) + 4 * len(members) + 1 == len(body)


def _add_up(members: Members) -> Iterator[Span]:
    start = 1
    for name, raw in members.items():
        value = start + len(name) + 3
        end = value + len(raw)
        yield name, start, value, end
        start = end + 1


def read_members(body: bytes) -> Members:
    """Scan a request's body; raises InvalidRequest."""
    try:
        return scan(body)
    except UnreadableError as error:
        raise InvalidRequest(f"Invalid body: {error}.", param=error.name) from None


def refuse_variants(members: Members, known: frozenset[str], folded: Mapping[str, str] | None = None) -> None:
    """Raise InvalidRequest for a key that is another spelling of another key or of a `known` one (`folded`: see
    `names.meant_by`).
    """
    if known.issuperset(members):
        return
    seen: dict[str, str] = {}
    for name in members:
        meant = meant_by(name, known, folded) or seen.setdefault(name.casefold(), name)
        if meant != name:
            raise InvalidRequest(
                f"The key {shown(name)!r} is a variant of {shown(meant)!r}: use {shown(meant)!r}, once.",
                param=shown(name),
            )
        if not name.isprintable():
            raise InvalidRequest(f"The key {shown(name)!r} contains control characters.", param=shown(name))


def edit(body: bytes, members: Members, changes: Mapping[str, bytes | None]) -> bytes:
    """Return a scanned body with members set to new values, or removed (None); new members are added at its end. Every
    other byte stays.
    """
    if len(changes) == 1 and _is_compact(body, members):  # the usual edit: the model's name, in compact JSON
        [(name, new)] = changes.items()
        if new is not None and name in members:
            return _replace(body, members, name, new)
    pieces: list[bytes] = []
    present = removed = cursor = 0
    added = []
    for name, new in changes.items():
        if name in members:
            present += 1
            removed += new is None
        elif new is not None:
            added.append(b"%b:%b" % (_encode(name), new))
    if present:
        cursor = _edit_present(body, members, changes, pieces, present)
    if added:
        tail = body.rindex(b"}")
        pieces += (body[cursor:tail], b"," if len(members) > removed else b"", b",".join(added))
        cursor = tail
    pieces.append(body[cursor:])
    return b"".join(pieces)


def add_members(raw: bytes, added: Mapping[str, object]) -> bytes:
    """Add or replace members of an object; null counts as an empty object."""
    values: dict[str, bytes | None] = {name: msgspec.json.encode(value) for name, value in added.items()}
    return edit(b"{}", {}, values) if raw == b"null" else edit(raw, scan(raw), values)


def _replace(body: bytes, members: Members, replaced: str, new: bytes) -> bytes:
    """Replace one member's value in a body without whitespace between tokens."""
    start = 1
    for name, raw in members.items():
        value = start + len(name) + 3
        if name == replaced:
            return b"%b%b%b" % (body[:value], new, body[value + len(raw) :])
        start = value + len(raw) + 1
    return body


def _edit_present(
    body: bytes, members: Members, changes: Mapping[str, bytes | None], pieces: list[bytes], left: int
) -> int:
    """Apply the `left` changes of members that are present; return the body offset up to which the
    pieces are complete.
    """
    cursor = previous_end = 0
    kept = skipping = False  # whether an earlier member stays; whether the leading members were just removed
    for name, start, value, end in spans(body, members):
        if skipping:
            cursor, skipping = start, False
        if not left:
            break
        if name not in changes:
            kept = True
        else:
            left -= 1
            new = changes[name]
            if new is not None:
                pieces += (body[cursor:value], new)
                cursor, kept = end, True
            elif kept:
                pieces.append(body[cursor:previous_end])
                cursor = end
            else:
                pieces.append(body[cursor:start])
                skipping = True
        previous_end = end
    return previous_end if skipping else cursor


def _members(body: bytes) -> Members:
    try:
        members = None if len(body) <= _SMALL else _Counter().decode(body)
        if members is not None and has_too_many_values(body):
            raise UnreadableError(f"more than {_MOST_OBJECTS} objects, keys or values")
        if not body.isascii():
            check_text(body)
        return _decode(body) if members is None else members
    except UnicodeDecodeError:
        raise UnreadableError("not valid UTF-8") from None
    except _TooManyNames:
        raise UnreadableError(f"more than {_MOST_NAMES} keys") from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except msgspec.ValidationError:
        raise UnreadableError("it must be a JSON object") from None
    except msgspec.DecodeError as error:
        why = str(error).removeprefix("JSON is malformed: ").lower()
        if "truncated" in why and _HALF.search(body, max(0, len(body) - _NEAR)):  # the decoder expected its other half
            why = "an unpaired \\u surrogate near the end"
        raise UnreadableError(f"not valid JSON: {why}" if body.strip() else "empty") from None


class _Name(str):
    """A key that the decoder counts as it reads it."""

    __slots__ = ()


class _TooManyNames(Exception):
    pass


class _Counter:
    """Decodes a large object but stops at too many keys: after a thousand, not a million."""

    def __init__(self) -> None:
        self._names = 0

    def decode(self, body: bytes) -> Members:
        try:
            members = msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=self._count).decode(body)
            return {str(name): value for name, value in members.items()}
        except msgspec.ValidationError:
            if self._names > _MOST_NAMES:
                raise _TooManyNames from None
            raise

    def _count(self, _type: type, name: str) -> _Name:
        self._names += 1
        if self._names > _MOST_NAMES:
            raise ValueError
        return _Name(name)


def _walk(body: bytes, members: Members) -> Iterator[Span]:
    """Yield the positions of members in a body with any whitespace. Anything that is not where the members, in their
    order, require it shows a repeated key.
    """
    opening = _OPEN.match(body)
    position = opening.end() if opening else 0
    more = False
    for name, raw in members.items():
        match = _match_name(body, position)
        value, end = match.end(), match.end() + len(raw)
        found = _decode_text(match[1])
        after = _AFTER.match(body, end)
        if found != name or body[value:end] != bytes(raw) or after is None:
            raise _repeated(found)
        yield name, match.start(1), value, end
        position, more = after.end(), after[1] == b","
    if more:
        raise _repeated(_decode_text(_match_name(body, position)[1]))


def _match_name(body: bytes, position: int) -> re.Match[bytes]:
    match = _NAME.match(body, position)
    if match is None:
        raise UnreadableError("a key is repeated")
    return match


def _repeated(name: str) -> UnreadableError:
    return UnreadableError(f"the key {name[:_SHOWN]!r} is repeated", name[:_SHOWN])
