"""What will be done with one request, step by step: a pure function of the reply and the fault."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tokenharbor.simulator import faults
from tokenharbor.simulator.speech import Piece, Reply, Wire, Words

_JSON = b"application/json"
_GARBAGE = {  # how: content type of a whole answer, body
    "html": (b"text/html", b"<!doctype html><title>Welcome</title><h1>A simulated captive portal</h1>\n"),
    "text": (b"text/plain", b"the simulator says something that is no JSON\n"),
    "other_json": (_JSON, b'{"simulated":true,"of_another":["shape",1]}'),
    "broken_json": (_JSON, b'{"id":"simulated","choices":[{"index":0,"mess'),
    "bad_utf8": (_JSON, b'{"id":"\xff\xfe\xc0","content":[{"text":"\xed\xa0\x80'),
    "empty": (_JSON, b""),
}


class Whole(msgspec.Struct, frozen=True):
    """An answer in one go."""

    status: int
    headers: bytes  # ready lines
    piece: Piece


class Head(msgspec.Struct, frozen=True):
    """Status line and headers. `length` None: chunked."""

    status: int
    headers: bytes  # ready lines
    length: int | None = None


class Send(msgspec.Struct, frozen=True):
    """Bytes of the body."""

    piece: Piece


class Wait(msgspec.Struct, frozen=True):
    """Nothing for `ms` (None: until the peer leaves), but `ping` at each `ping_ms`."""

    ms: int | None
    ping: bytes = b""
    ping_ms: int | None = None


class Cut(msgspec.Struct, frozen=True):
    """The connection dies."""

    how: Literal["reset", "close"]


class Done(msgspec.Struct, frozen=True):
    """The framing's own end."""


Step = Whole | Head | Send | Wait | Cut | Done


class Order(msgspec.Struct, frozen=True):
    """What to plan for: a wire, whether as a stream, the reply, and the pace."""

    wire: Wire
    stream: bool
    reply: Reply
    first_ms: int = 0
    delay_ms: int = 0

    def headers(self, content_type: bytes) -> bytes:
        return headers(self.wire, self.reply.id, content_type)


def headers(wire: Wire, request_id: str, content_type: bytes = _JSON) -> bytes:
    """What every answer carries; each says that it is simulated."""
    lines = b"content-type: %s\r\nx-simulated: true\r\n%s: %s\r\n"
    return lines % (content_type, wire.request_id_header(), request_id.encode())


def plan_refusal(wire: Wire, request_id: str, status: int, words: Words) -> list[Step]:
    """A refusal of the vendor's own."""
    body = wire.error(status, words, request_id)
    return [Whole(status, headers(wire, request_id), Piece(body))]


def plan_steps(order: Order, fault: faults.AnyFault | None) -> list[Step]:
    """The whole course of one answer."""
    first: list[Step] = [Wait(order.first_ms)] if order.first_ms else []
    match fault:
        case faults.Refuse():
            return [Wait(fault.after_ms), Cut(fault.how)]
        case faults.Status():
            return [*first, _status(order, fault)]
        case faults.Garbage():
            return [*first, *_garbage(order, fault)]
        case faults.Body():
            return [*first, _whole(order, fault)]
        case faults.BadUsage():
            order = _with_reply(order, usage_fault=fault.how)
        case faults.HugeEvent(where="content"):
            order = _with_reply(order, text="x" * fault.bytes, chunk_chars=fault.bytes)
    return first + (_stream(order, fault) if order.stream else _body(order, fault))


def _with_reply(order: Order, **changes: object) -> Order:
    return msgspec.structs.replace(order, reply=msgspec.structs.replace(order.reply, **changes))


def _status(order: Order, fault: faults.Status) -> Step:
    words = Words(fault.message, fault.code, fault.type, fault.param)
    body = order.wire.error(fault.status, words, order.reply.id) if fault.body is None else fault.body.encode()
    extra = "".join(f"{name.lower()}: {value}\r\n" for name, value in fault.headers.items())
    if fault.retry_after is not None:
        extra += f"retry-after: {fault.retry_after}\r\n"
    return Whole(fault.status, order.headers(_JSON) + extra.encode("latin-1"), Piece(body))


def _whole(order: Order, fault: faults.Body) -> Step:
    usual = order.wire.stream_type if order.stream else _JSON
    content_type = usual if fault.content_type is None else fault.content_type.encode("latin-1")
    extra = "".join(f"{name.lower()}: {value}\r\n" for name, value in fault.headers.items())
    return Whole(200, order.headers(content_type) + extra.encode("latin-1"), Piece(fault.body.encode()))


def _altered(piece: Piece, fault: faults.Altered) -> Piece:
    return msgspec.structs.replace(piece, data=piece.data.replace(fault.old.encode(), fault.new.encode()))


def _garbage(order: Order, fault: faults.Garbage) -> list[Step]:
    content_type, body = _GARBAGE[fault.how]
    if not order.stream or fault.how == "html":
        return [Whole(200, order.headers(content_type), Piece(body))]
    event = body if fault.how in {"text", "empty"} else b"data: " + body + b"\n\n"
    return [Head(200, order.headers(order.wire.stream_type)), Send(Piece(event)), Done()]


def _stream(order: Order, fault: faults.AnyFault | None) -> list[Step]:
    pieces = order.wire.stream(order.reply)
    head: list[Step] = [Head(200, order.headers(order.wire.stream_type))]
    match fault:
        case faults.Stall(where="before_head"):
            return [_stall(order, fault), *head, *_sends(order, pieces), Done()]
        case faults.Stall():
            at = _stall_index(pieces, fault)
            return [*head, *_sends(order, pieces[:at]), _stall(order, fault), *_sends(order, pieces[at:]), Done()]
        case faults.Break():
            at = _index(pieces, fault.after_events, fault.after_content)
            return [*head, *_sends(order, pieces[:at]), Cut(fault.how)]
        case faults.ErrorEvent():
            at = _index(pieces, fault.after_events, fault.after_content)
            words = Words(fault.message, fault.code, fault.type)
            pieces = [*pieces[:at], Piece(order.wire.error_event(fault.status, words, order.reply.id))]
        case faults.NoTerminator():
            dropped = {"end", "finish"} if fault.finish else {"end"}
            pieces = [piece for piece in pieces if piece.role not in dropped]
        case faults.Altered():
            pieces = [_altered(piece, fault) for piece in pieces]
        case faults.HugeEvent(where="before_content"):
            pieces = [*pieces[:1], Piece(order.wire.padding(fault.bytes)), *pieces[1:]]
        case faults.Truncated():
            return _truncated(order, pieces, fault)
        case faults.Drip():
            return [*head, *_drip(pieces, fault), Done()]
    return [*head, *_sends(order, pieces), Done()]


def _body(order: Order, fault: faults.AnyFault | None) -> list[Step]:
    whole = order.wire.whole(order.reply)
    half = len(whole.data) // 2
    head = Head(200, order.headers(_JSON), len(whole.data))
    front, back = Send(msgspec.structs.replace(whole, data=whole.data[:half])), Send(Piece(whole.data[half:]))
    match fault:
        case faults.Stall(where="before_head"):
            return [_stall(order, fault), head, Send(whole), Done()]
        case faults.Stall(where="mid"):
            return [head, front, Wait(fault.ms), back, Done()]
        case faults.Stall():
            return [head, Wait(fault.ms), Send(whole), Done()]
        case faults.Break():
            return [head, front, Cut(fault.how)]
        case faults.ErrorEvent():
            body = order.wire.error(fault.status, Words(fault.message, fault.code, fault.type), order.reply.id)
            return [Whole(200, order.headers(_JSON), Piece(body))]
        case faults.Altered():
            whole = _altered(whole, fault)
        case faults.Truncated():
            return _truncated(order, [whole], fault)
        case faults.Drip():
            return [head, *_drip([whole], fault), Done()]
    return [Whole(200, order.headers(_JSON), whole)]


def _sends(order: Order, pieces: Sequence[Piece]) -> list[Step]:
    steps: list[Step] = []
    for piece in pieces:
        if order.delay_ms:
            steps.append(Wait(order.delay_ms))
        steps.append(Send(piece))
    return steps


def _stall(order: Order, fault: faults.Stall) -> Wait:
    return Wait(fault.ms, order.wire.ping() if fault.pings_ms else b"", fault.pings_ms)


def _stall_index(pieces: Sequence[Piece], fault: faults.Stall) -> int:
    if fault.where == "after_head":
        return 0
    if fault.where == "before_content":
        return _index(pieces, None, 0)
    return _index(pieces, fault.after_events, fault.after_content)


def _index(pieces: Sequence[Piece], after_events: int | None, after_content: int | None) -> int:
    """How many pieces come before the fault; see faults.py."""
    if after_events is not None:
        return min(after_events, len(pieces))
    contents = [index for index, piece in enumerate(pieces) if piece.role == "content"]
    wanted = 1 if after_content is None else after_content
    if not contents:
        return len(pieces)
    return contents[0] if wanted == 0 else contents[min(wanted, len(contents)) - 1] + 1


def _truncated(order: Order, pieces: Sequence[Piece], fault: faults.Truncated) -> list[Step]:
    data = b"".join(piece.data for piece in pieces)
    sent = data[: len(data) // 2 if fault.bytes is None else fault.bytes]
    text_bytes = sum(piece.text_bytes for piece in pieces)
    head = Head(200, order.headers(order.wire.stream_type if order.stream else _JSON), len(data))
    return [head, Send(Piece(sent, text_bytes=text_bytes)), Cut("close")]


def _drip(pieces: Sequence[Piece], fault: faults.Drip) -> list[Step]:
    """Each piece in crumbs; what it counts for is counted with its first, its end is reached with its last, after
    which there is nothing to wait for.
    """
    steps: list[Step] = []
    for piece in pieces:
        crumbs = [piece.data[start : start + fault.bytes] for start in range(0, len(piece.data), fault.bytes)]
        last = len(crumbs) - 1
        for index, crumb in enumerate(crumbs):
            counted = piece.text_bytes if index == 0 else 0
            ends = index == last
            steps += [
                Send(Piece(crumb, piece.role if ends else "close", counted, piece.report if ends else None)),
                Wait(fault.ms),
            ]
    return steps[:-1]
