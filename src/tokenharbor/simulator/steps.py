"""The plan of an answer, step by step: a pure function of the reply and the fault."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tokenharbor.simulator import faults
from tokenharbor.simulator.dialect import AnswerPiece, ErrorFields, SimulatedDialect, SimulatedReply

_JSON = b"application/json"
_GARBAGE = {  # how: content type of a whole answer, body
    "html": (b"text/html", b"<!doctype html><title>Welcome</title><h1>A simulated captive portal</h1>\n"),
    "text": (b"text/plain", b"the simulator says something that is no JSON\n"),
    "other_json": (_JSON, b'{"simulated":true,"of_another":["shape",1]}'),
    "broken_json": (_JSON, b'{"id":"simulated","choices":[{"index":0,"mess'),
    "bad_utf8": (_JSON, b'{"id":"\xff\xfe\xc0","content":[{"text":"\xed\xa0\x80'),
    "empty": (_JSON, b""),
}


class SendWhole(msgspec.Struct, frozen=True):
    """A whole answer in one write."""

    status: int
    headers: bytes  # ready lines
    piece: AnswerPiece


class SendHead(msgspec.Struct, frozen=True):
    """A status line and headers. `length` None: chunked."""

    status: int
    headers: bytes  # ready lines
    length: int | None = None


class SendPiece(msgspec.Struct, frozen=True):
    """A piece of the body."""

    piece: AnswerPiece


class Pause(msgspec.Struct, frozen=True):
    """Silence for `ms` (None: until the peer disconnects), except `ping` every `ping_ms`."""

    ms: int | None
    ping: bytes = b""
    ping_ms: int | None = None


class CloseConnection(msgspec.Struct, frozen=True):
    """The end of the connection inside the answer."""

    how: Literal["reset", "close"]


class EndBody(msgspec.Struct, frozen=True):
    """The end of the body's framing."""


Step = SendWhole | SendHead | SendPiece | Pause | CloseConnection | EndBody


class AnswerSpec(msgspec.Struct, frozen=True):
    """The inputs of a plan: a wire, whether to stream, the reply, and the delays."""

    wire: SimulatedDialect
    stream: bool
    reply: SimulatedReply
    first_ms: int = 0
    delay_ms: int = 0

    def headers(self, content_type: bytes) -> bytes:
        return answer_headers(self.wire, self.reply.id, content_type)


def answer_headers(wire: SimulatedDialect, request_id: str, content_type: bytes = _JSON) -> bytes:
    """Return the headers of every answer, one of which says that it is simulated."""
    lines = b"content-type: %s\r\nx-simulated: true\r\n%s: %s\r\n"
    return lines % (content_type, wire.request_id_header(), request_id.encode())


def plan_refusal(wire: SimulatedDialect, request_id: str, status: int, fields: ErrorFields) -> list[Step]:
    """Return the plan of a vendor's own refusal."""
    body = wire.error(status, fields, request_id)
    return [SendWhole(status, answer_headers(wire, request_id), AnswerPiece(body))]


def plan_steps(spec: AnswerSpec, fault: faults.AnyFault | None) -> list[Step]:
    """Return the plan of one answer."""
    first: list[Step] = [Pause(spec.first_ms)] if spec.first_ms else []
    match fault:
        case faults.RefuseConnection():
            return [Pause(fault.after_ms), CloseConnection(fault.how)]
        case faults.ErrorStatus():
            return [*first, _status(spec, fault)]
        case faults.Garbage():
            return [*first, *_garbage(spec, fault)]
        case faults.ReplaceBody():
            return [*first, _whole(spec, fault)]
        case faults.BadUsage():
            spec = _with_reply(spec, usage_fault=fault.how)
        case faults.HugeEvent(where="content"):
            spec = _with_reply(spec, text="x" * fault.bytes, chunk_chars=fault.bytes)
    return first + (_stream(spec, fault) if spec.stream else _body(spec, fault))


def _with_reply(spec: AnswerSpec, **changes: object) -> AnswerSpec:
    return msgspec.structs.replace(spec, reply=msgspec.structs.replace(spec.reply, **changes))


def _status(spec: AnswerSpec, fault: faults.ErrorStatus) -> Step:
    fields = ErrorFields(fault.message, fault.code, fault.type, fault.param)
    body = spec.wire.error(fault.status, fields, spec.reply.id) if fault.body is None else fault.body.encode()
    extra = "".join(f"{name.lower()}: {value}\r\n" for name, value in fault.headers.items())
    if fault.retry_after is not None:
        extra += f"retry-after: {fault.retry_after}\r\n"
    return SendWhole(fault.status, spec.headers(_JSON) + extra.encode("latin-1"), AnswerPiece(body))


def _whole(spec: AnswerSpec, fault: faults.ReplaceBody) -> Step:
    usual = spec.wire.stream_type if spec.stream else _JSON
    content_type = usual if fault.content_type is None else fault.content_type.encode("latin-1")
    extra = "".join(f"{name.lower()}: {value}\r\n" for name, value in fault.headers.items())
    return SendWhole(200, spec.headers(content_type) + extra.encode("latin-1"), AnswerPiece(fault.body.encode()))


def _altered(piece: AnswerPiece, fault: faults.ReplaceText) -> AnswerPiece:
    return msgspec.structs.replace(piece, data=piece.data.replace(fault.old.encode(), fault.new.encode()))


def _garbage(spec: AnswerSpec, fault: faults.Garbage) -> list[Step]:
    content_type, body = _GARBAGE[fault.how]
    if not spec.stream or fault.how == "html":
        return [SendWhole(200, spec.headers(content_type), AnswerPiece(body))]
    event = body if fault.how in {"text", "empty"} else b"data: " + body + b"\n\n"
    return [SendHead(200, spec.headers(spec.wire.stream_type)), SendPiece(AnswerPiece(event)), EndBody()]


def _stream(spec: AnswerSpec, fault: faults.AnyFault | None) -> list[Step]:
    pieces = spec.wire.stream(spec.reply)
    head: list[Step] = [SendHead(200, spec.headers(spec.wire.stream_type))]
    match fault:
        case faults.Stall(where="before_head"):
            return [_stall(spec, fault), *head, *_sends(spec, pieces), EndBody()]
        case faults.Stall():
            at = _stall_index(pieces, fault)
            return [*head, *_sends(spec, pieces[:at]), _stall(spec, fault), *_sends(spec, pieces[at:]), EndBody()]
        case faults.BreakConnection():
            at = _index(pieces, fault.after_events, fault.after_content)
            return [*head, *_sends(spec, pieces[:at]), CloseConnection(fault.how)]
        case faults.ErrorEvent():
            at = _index(pieces, fault.after_events, fault.after_content)
            fields = ErrorFields(fault.message, fault.code, fault.type)
            pieces = [*pieces[:at], AnswerPiece(spec.wire.error_event(fault.status, fields, spec.reply.id))]
        case faults.NoTerminator():
            dropped = {"end", "finish"} if fault.finish else {"end"}
            pieces = [piece for piece in pieces if piece.role not in dropped]
        case faults.ReplaceText():
            pieces = [_altered(piece, fault) for piece in pieces]
        case faults.HugeEvent(where="before_content"):
            pieces = [*pieces[:1], AnswerPiece(spec.wire.padding(fault.bytes)), *pieces[1:]]
        case faults.TruncateBody():
            return _truncated(spec, pieces, fault)
        case faults.Drip():
            return [*head, *_drip(pieces, fault), EndBody()]
    return [*head, *_sends(spec, pieces), EndBody()]


def _body(spec: AnswerSpec, fault: faults.AnyFault | None) -> list[Step]:
    whole = spec.wire.whole(spec.reply)
    half = len(whole.data) // 2
    head = SendHead(200, spec.headers(_JSON), len(whole.data))
    front, back = (
        SendPiece(msgspec.structs.replace(whole, data=whole.data[:half])),
        SendPiece(AnswerPiece(whole.data[half:])),
    )
    match fault:
        case faults.Stall(where="before_head"):
            return [_stall(spec, fault), head, SendPiece(whole), EndBody()]
        case faults.Stall(where="mid"):
            return [head, front, Pause(fault.ms), back, EndBody()]
        case faults.Stall():
            return [head, Pause(fault.ms), SendPiece(whole), EndBody()]
        case faults.BreakConnection():
            return [head, front, CloseConnection(fault.how)]
        case faults.ErrorEvent():
            body = spec.wire.error(fault.status, ErrorFields(fault.message, fault.code, fault.type), spec.reply.id)
            return [SendWhole(200, spec.headers(_JSON), AnswerPiece(body))]
        case faults.ReplaceText():
            whole = _altered(whole, fault)
        case faults.TruncateBody():
            return _truncated(spec, [whole], fault)
        case faults.Drip():
            return [head, *_drip([whole], fault), EndBody()]
    return [SendWhole(200, spec.headers(_JSON), whole)]


def _sends(spec: AnswerSpec, pieces: Sequence[AnswerPiece]) -> list[Step]:
    steps: list[Step] = []
    for piece in pieces:
        if spec.delay_ms:
            steps.append(Pause(spec.delay_ms))
        steps.append(SendPiece(piece))
    return steps


def _stall(spec: AnswerSpec, fault: faults.Stall) -> Pause:
    return Pause(fault.ms, spec.wire.ping() if fault.pings_ms else b"", fault.pings_ms)


def _stall_index(pieces: Sequence[AnswerPiece], fault: faults.Stall) -> int:
    if fault.where == "after_head":
        return 0
    if fault.where == "before_content":
        return _index(pieces, None, 0)
    return _index(pieces, fault.after_events, fault.after_content)


def _index(pieces: Sequence[AnswerPiece], after_events: int | None, after_content: int | None) -> int:
    """Return the number of pieces before the fault; see faults.py."""
    if after_events is not None:
        return min(after_events, len(pieces))
    contents = [index for index, piece in enumerate(pieces) if piece.role == "content"]
    wanted = 1 if after_content is None else after_content
    if not contents:
        return len(pieces)
    return contents[0] if wanted == 0 else contents[min(wanted, len(contents)) - 1] + 1


def _truncated(spec: AnswerSpec, pieces: Sequence[AnswerPiece], fault: faults.TruncateBody) -> list[Step]:
    data = b"".join(piece.data for piece in pieces)
    sent = data[: len(data) // 2 if fault.bytes is None else fault.bytes]
    text_bytes = sum(piece.text_bytes for piece in pieces)
    head = SendHead(200, spec.headers(spec.wire.stream_type if spec.stream else _JSON), len(data))
    return [head, SendPiece(AnswerPiece(sent, text_bytes=text_bytes)), CloseConnection("close")]


def _drip(pieces: Sequence[AnswerPiece], fault: faults.Drip) -> list[Step]:
    """Split each piece into small ones. The first has the piece's counts, the last its end, without a pause after the
    very last.
    """
    steps: list[Step] = []
    for piece in pieces:
        crumbs = [piece.data[start : start + fault.bytes] for start in range(0, len(piece.data), fault.bytes)]
        last = len(crumbs) - 1
        for index, crumb in enumerate(crumbs):
            counted = piece.text_bytes if index == 0 else 0
            ends = index == last
            steps += [
                SendPiece(AnswerPiece(crumb, piece.role if ends else "close", counted, piece.report if ends else None)),
                Pause(fault.ms),
            ]
    return steps[:-1]
