"""Streaming reader of forms with files (multipart/form-data): fields are kept, files only counted.

Strict: a form that two readers could interpret differently is refused.
"""

import re
from collections.abc import Mapping
from email.message import Message
from urllib.parse import unquote

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.count.wav import LONGEST_HEAD
from tokenharbor.wire.framing.names import fold, shown

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
_MOST_PARTS = 256
_LONGEST_HEAD = 8 << 10
_LONGEST_FIELD = 1 << 20
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # tabs and line ends are allowed in texts


class FormField(msgspec.Struct, frozen=True):
    """A field that is not a file: its value, and the position of the value in the body."""

    value: bytes
    start: int
    end: int


def boundary_of(content_type: bytes | None) -> bytes:
    """Return the boundary from a form's content type. Raises InvalidRequest."""
    if content_type is not None and b"\n" in content_type:
        raise InvalidRequest("The header content-type is repeated: send it once.", param="content-type")
    message = Message()
    message["content-type"] = (content_type or b"").decode("latin-1")
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise InvalidRequest("The content type must be multipart/form-data with a boundary.")
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("The form's boundary is invalid.")
    return boundary.encode("ascii")


class FormReader:
    """The state of a form that is being read. `fields` holds the complete fields by name; of a name that ends in `[]`,
    the last. `files` counts the files, `file_bytes` their bytes so far; `file_head` is the beginning of the first file,
    at most LONGEST_HEAD bytes.
    """

    def __init__(self, boundary: bytes, known: frozenset[str] = frozenset()) -> None:
        self.fields: dict[str, FormField] = {}
        self.files = 0
        self.file_bytes = 0
        self.file_head = b""
        self._known = known
        self._names: dict[str, tuple[str, bool]] = {}  # of all parts so far, by casefolded name
        self.done = False
        self.in_file = False
        self._delimiter = b"\r\n--" + boundary
        self._held = b"\r\n"  # so that the first boundary looks like the others
        self._at = -2  # the position of `_held` in the body
        self._parts = 0
        self._name: str | None = None  # of the field being read
        self._where = "preamble"
        self._begun = 0
        self._value: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Read the next bytes. Raises InvalidRequest."""
        self._held += data
        while self._step():
            pass

    def close(self) -> None:
        """End the body. Raises InvalidRequest if the form is incomplete."""
        if not self.done:
            raise InvalidRequest("The form ends before its closing boundary.")

    def _step(self) -> bool:
        """Advance by one element; return whether to continue."""
        if self._where == "head":
            return self._read_head()
        if self._where == "content":
            return self._read_content()
        if self._where == "boundary":
            return self._read_boundary()
        if self._where == "end":
            if self._held not in (b"", b"\r", b"\r\n"):
                raise InvalidRequest("The form has data after its closing boundary.")
            return False
        length = len(self._delimiter)
        if not self._delimiter.startswith(self._held[:length]):
            raise InvalidRequest("The form must begin with its boundary.")
        if len(self._held) < length:
            return False
        self._take(length)
        self._where = "boundary"
        return True

    def _read_boundary(self) -> bool:
        """Read the bytes after a boundary: a part or the end follows."""
        if len(self._held) < 2:
            return False
        mark = self._take(2)
        if mark == b"--":
            self.done, self._where = True, "end"
        elif mark == b"\r\n":
            self._parts += 1
            if self._parts > _MOST_PARTS:
                raise InvalidRequest(f"The form has more than {_MOST_PARTS} parts.")
            self._where = "head"
        else:
            raise InvalidRequest("A boundary of the form must be followed by CRLF or by two hyphens.")
        return True

    def _read_head(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end > _LONGEST_HEAD or (end < 0 and len(self._held) > _LONGEST_HEAD):
            raise InvalidRequest("A part's headers are too long.")
        if end < 0:
            return False
        name, is_file = _read_disposition(self._take(end + 4)[:end])
        self._check_name(name, is_file=is_file)
        self.files += is_file
        self.in_file = is_file
        self._name = None if is_file else name
        self._begun = self._at
        self._value = []
        self._where = "content"
        return True

    def _check_name(self, name: str, *, is_file: bool) -> None:
        """Apply the rules of a JSON body's keys: a known name has one spelling and appears once."""
        meant = _plain(name)
        if meant in self._known and name not in self._known:
            why = f"The field {shown(name)!r} is a variant of {meant!r}: use {meant!r}, once."
            raise InvalidRequest(why, param=shown(name))
        before = self._names.get(name.casefold())
        lists = name.endswith("[]") and before == (name, is_file)
        if before is not None and not lists:
            raise InvalidRequest(f"The field {shown(name)!r} is repeated in the form: send it once.", param=shown(name))
        self._names[name.casefold()] = (name, is_file)

    def _read_content(self) -> bool:
        end = self._held.find(self._delimiter)
        found = end >= 0
        if not found:
            end = max(len(self._held) - len(self._delimiter) + 1, 0)
        piece = self._take(end)
        if self._name is not None:
            self._value.append(piece)
            if self._at - self._begun > _LONGEST_FIELD:
                raise InvalidRequest(f"The field {shown(self._name)!r} is too long.", param=shown(self._name))
        elif piece:
            self._count(piece)
        if not found:
            return False
        if self._name is not None:
            self.fields[self._name] = FormField(self._whole(self._name), self._begun, self._at)
        self.in_file = False
        self._take(len(self._delimiter))
        self._where = "boundary"
        return True

    def _whole(self, name: str) -> bytes:
        value = b"".join(self._value)
        if _CONTROLS.search(value):
            raise InvalidRequest(f"The field {shown(name)!r} contains control characters.", param=shown(name))
        return value

    def _count(self, piece: bytes) -> None:
        self.file_bytes += len(piece)
        if self.files == 1 and len(self.file_head) < LONGEST_HEAD:
            self.file_head += piece[: LONGEST_HEAD - len(self.file_head)]

    def _take(self, count: int) -> bytes:
        taken, self._held = self._held[:count], self._held[count:]
        self._at += count
        return taken


_AROUND = re.compile(r'^["\'\\\s]+|["\'\\.\x00].*', re.DOTALL)


def _plain(name: str) -> str:
    """Return a form name as a lenient reader may see it: browsers percent-encode some characters, some frameworks write
    a list as `name.0`, and a reader without escapes ends the name at its first quote.
    """
    return fold(_AROUND.sub("", unquote(name)))


def _read_disposition(head: bytes) -> tuple[str, bool]:
    """Return a part's name, and whether it is a file."""
    found: list[str] = []
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not name or name.strip() != name:
            raise InvalidRequest("A part of the form has an invalid header.")
        if name.lower() == b"content-disposition":
            found.append(_read_text(value))
    if len(found) != 1:
        raise InvalidRequest("A part of the form must have exactly one content-disposition header.")
    kind, params = _read_params(found[0])
    name_of = params.get("name")
    if kind.lower() != "form-data" or not name_of:
        raise InvalidRequest("A part of the form must have content-disposition form-data and a name.")
    if params.get("filename") == "":
        raise InvalidRequest(f"The part {shown(name_of)!r} is a file with an empty name: set `filename`.")
    return name_of, "filename" in params or "filename*" in params


def _read_text(value: bytes) -> str:
    try:
        text = value.decode().strip(" \t")
    except UnicodeDecodeError:
        raise InvalidRequest("A part of the form has a name that is not UTF-8.") from None
    if not text.isprintable():
        raise InvalidRequest("A part of the form has a name with control characters.")
    return text


_PARAM = re.compile(r'\s*;\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;"]*)')

_NAMES_ALSO = re.compile(r"name\*", re.IGNORECASE)  # RFC 2231: some readers use it as the name


def _read_params(text: str) -> tuple[str, Mapping[str, str]]:
    kind, semicolon, rest = text.strip().partition(";")
    params: dict[str, str] = {}
    rest = semicolon + rest
    at = 0
    while at < len(rest):
        match = _PARAM.match(rest, at)
        if match is None or match[1].lower() in params or _NAMES_ALSO.match(match[1]):
            raise InvalidRequest("A part of the form has an invalid content-disposition header.")
        value = match[2]
        params[match[1].lower()] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        at = match.end()
    return kind.strip(), params


def edit_form(body: bytes, boundary: bytes, fields: Mapping[str, FormField], changes: Mapping[str, bytes]) -> bytes:
    """Return a form, or its beginning, with fields set to new values; new fields come first. Every other byte stays."""
    spans = sorted((fields[name].start, fields[name].end, value) for name, value in changes.items() if name in fields)
    pieces: list[bytes] = []
    for name, value in changes.items():
        if name not in fields:
            head = b'--%b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n' % (boundary, name.encode())
            pieces.append(head + value + b"\r\n")
    cursor = 0
    for start, end, value in spans:
        pieces += (body[cursor:start], value)
        cursor = end
    return b"".join((*pieces, body[cursor:]))
