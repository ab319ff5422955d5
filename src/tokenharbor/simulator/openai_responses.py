"""OpenAI's Responses API, from the vendor's side, without stored responses."""

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.simulator.dialect import (
    EVENT_STREAM,
    AnswerPiece,
    ErrorFields,
    ReportedUsage,
    SimulatedReply,
    SimulatedRequest,
    VendorError,
    split_text,
)
from tokenharbor.simulator.openai_chat import SimulatedOpenAIChat, plain_text
from tokenharbor.wire.framing.json_values import UNREADABLE

_encode = msgspec.json.encode

Json = dict[str, Any]

_LEAST_OUTPUT = 16  # the vendor refuses a smaller maximum
_REPEATED = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
)
_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")


class _Tool(msgspec.Struct):
    type: str
    name: str = ""


class _Item(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    output: Any = None


class _Body(msgspec.Struct):
    model: str
    input: str | list[_Item]
    stream: bool | None = None
    store: bool | None = None
    include: list[str] | None = None
    max_output_tokens: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: Any = None
    previous_response_id: str | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class SimulatedOpenAIResponses:
    """The simulated dialect `openai_responses`; stateless."""

    name = "openai_responses"
    stream_type = EVENT_STREAM

    def read(self, body: bytes) -> SimulatedRequest:
        try:
            request = _decode(body)
            members = _decode_members(body)
        except UNREADABLE as error:
            raise VendorError(400, f"The simulator could not read the request: {error}") from None
        if not request.input:
            raise VendorError(400, "`input` must not be empty.", "input")
        if request.previous_response_id is not None:
            raise VendorError(
                400, "Previous response not found: the simulator stores no responses.", "previous_response_id"
            )
        if request.max_output_tokens is not None and request.max_output_tokens < _LEAST_OUTPUT:
            message = f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST_OUTPUT}."
            raise VendorError(400, message, "max_output_tokens")
        items = [] if isinstance(request.input, str) else request.input
        results = [item.output for item in items if item.type in _RESULTS]
        return SimulatedRequest(
            model=request.model,
            stream=bool(request.stream),
            max_output=request.max_output_tokens,
            tools=() if request.tool_choice == "none" else _functions(request.tools or []),
            tool_turns=_turns(items),
            tool_result=plain_text(results[-1]) if results else None,
            input_tokens=len(body) // 4,
            sealed="reasoning.encrypted_content" in (request.include or ()),
            repeated={name: _repeated(name, members[name]) for name in _REPEATED if name in members},
        )

    def fold(self, usage: Usage) -> Usage:
        written = usage.cache_write_5m + usage.cache_write_1h
        return msgspec.structs.replace(usage, cache_write_5m=written, cache_write_1h=0)

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]:
        teller = _EventNumberer()
        begun = _response(reply, "in_progress", [])
        teller.tell("created", "open", response=begun)
        teller.tell("in_progress", "open", response=begun)
        output = [teller.item(place, item) for place, item in enumerate(_items(reply))]
        status, response, report = _closing(reply, output)
        teller.tell(status, "end", response=response)
        last = teller.pieces[-1]
        return [*teller.pieces[:-1], msgspec.structs.replace(last, report=report)]

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        items = list(_items(reply))
        _, response, report = _closing(reply, [item.whole for item in items])
        text_bytes = sum(len(text.encode()) for item in items for text in item.texts)
        return AnswerPiece(_encode(response), "whole", text_bytes, report)

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        return SimulatedOpenAIChat().error(status, fields, request_id)

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        error = msgspec.json.decode(self.error(status, fields, request_id))["error"]
        return b"event: error\ndata: " + _encode({"type": "error", "sequence_number": 9, "error": error}) + b"\n\n"

    def ping(self) -> bytes:
        return b'event: keepalive\ndata: {"type":"keepalive","sequence_number":9}\n\n'

    def padding(self, size: int) -> bytes:
        return b": " + b"." * max(size - 4, 0) + b"\n\n"

    def request_id_header(self) -> bytes:
        return b"x-request-id"


class _ItemEvents(msgspec.Struct, frozen=True):
    """An item at its beginning and end, and the events between: before the pieces, pieces, after them."""

    begun: Json
    whole: Json
    before: tuple[tuple[str, Json], ...]
    kind: str  # the type of the pieces' events
    place: Json  # the members of each piece
    texts: tuple[str, ...]
    after: tuple[tuple[str, Json], ...]


class _EventNumberer:
    """Builds numbered events."""

    def __init__(self) -> None:
        self.pieces: list[AnswerPiece] = []

    def tell(self, kind: str, role: Any, text_bytes: int = 0, **members: Any) -> None:
        name = f"response.{kind}"
        data = _encode({"type": name, "sequence_number": len(self.pieces), **members})
        self.pieces.append(AnswerPiece(b"event: %s\ndata: %s\n\n" % (name.encode(), data), role, text_bytes))

    def item(self, place: int, item: _ItemEvents) -> Json:
        where = {"item_id": item.whole["id"], "output_index": place}
        self.tell("output_item.added", "open", output_index=place, item=item.begun)
        for kind, members in item.before:
            self.tell(kind, "open", **where, **members)
        for text in item.texts:
            self.tell(item.kind, "content", len(text.encode()), **where, **item.place, delta=text, obfuscation="sim")
        for kind, members in item.after:
            self.tell(kind, "close", **where, **members)
        self.tell("output_item.done", "close", output_index=place, item=item.whole)
        return item.whole


def _repeated(name: str, raw: msgspec.Raw) -> Any:
    """Return a field as the vendor repeats it, with defaults for omitted members."""
    if name == "reasoning":
        return {"effort": None, "summary": None} | (msgspec.json.decode(raw) or {})
    if name == "tools":
        least = {"description": None, "parameters": None, "strict": True}
        return [least | tool if tool["type"] == "function" else tool for tool in msgspec.json.decode(raw) or ()]
    return raw


def _functions(tools: list[_Tool]) -> tuple[str, ...]:
    return tuple(tool.name for tool in tools if tool.type == "function")


def _turns(items: list[_Item]) -> int:
    """Count the answers with calls so far; adjacent calls belong to one answer."""
    turns, calling = 0, False
    for item in items:
        if item.type in _CALLS:
            turns += not calling
            calling = True
        elif item.type in _RESULTS:
            calling = False
    return turns


def _items(reply: SimulatedReply) -> Iterator[_ItemEvents]:
    size = reply.chunk_chars
    if reply.reasoning:
        yield _reasoning(reply, tuple(split_text(reply.reasoning, size)))
    if reply.text:
        part = {"type": "output_text", "annotations": [], "logprobs": []}
        yield _message(reply, "output_text", part, tuple(split_text(reply.text, size)))
    if reply.refusal:
        yield _message(reply, "refusal", {"type": "refusal"}, tuple(split_text(reply.refusal, size)))
    for number, call in enumerate(reply.calls):
        whole = {"id": f"fc_{reply.id}_{number}", "type": "function_call", "call_id": call.id, "name": call.name}
        yield _ItemEvents(
            whole | {"status": "in_progress", "arguments": ""},
            whole | {"status": "completed", "arguments": call.arguments},
            (),
            "function_call_arguments.delta",
            {},
            tuple(split_text(call.arguments, size)),
            (("function_call_arguments.done", {"arguments": call.arguments}),),
        )


def _reasoning(reply: SimulatedReply, texts: tuple[str, ...]) -> _ItemEvents:
    whole: Json = {"id": f"rs_{reply.id}", "type": "reasoning"}
    part, place = {"type": "summary_text", "text": reply.reasoning}, {"summary_index": 0}
    sealed = base64.b64encode(f"simulated reasoning of {reply.id}".encode()).decode()
    return _ItemEvents(
        whole | {"summary": []},
        whole | ({"encrypted_content": sealed} if reply.sealed else {}) | {"summary": [part]},
        (("reasoning_summary_part.added", place | {"part": part | {"text": ""}}),),
        "reasoning_summary_text.delta",
        place,
        texts,
        (
            ("reasoning_summary_text.done", place | {"text": reply.reasoning}),
            ("reasoning_summary_part.done", place | {"part": part}),
        ),
    )


def _message(reply: SimulatedReply, kind: str, part: Json, texts: tuple[str, ...]) -> _ItemEvents:
    name = "refusal" if kind == "refusal" else "text"
    begun, full = part | {name: ""}, part | {name: "".join(texts)}
    status = "incomplete" if reply.finish in ("length", "refusal") and kind != "refusal" else "completed"
    whole = {"id": f"msg_{reply.id}", "type": "message", "role": "assistant"}
    place: Json = {"content_index": 0}
    return _ItemEvents(
        whole | {"status": "in_progress", "content": []},
        whole | {"status": status, "content": [full]},
        (("content_part.added", place | {"part": begun}),),
        f"{kind}.delta",
        place if name == "refusal" else place | {"logprobs": []},
        texts,
        (
            (f"{kind}.done", place | {name: full[name]} | ({} if name == "refusal" else {"logprobs": []})),
            ("content_part.done", place | {"part": full}),
        ),
    )


def _response(reply: SimulatedReply, status: str, output: list[Json], **more: Any) -> Json:
    whole = {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "completed_at": reply.created if status == "completed" else None,
        "status": status,
        "background": False,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": reply.model,
        "output": output,
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "medium", "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }
    if reply.usage_fault == "none":
        del whole["usage"]
    return whole | reply.repeated | more


def _closing(reply: SimulatedReply, output: list[Json]) -> tuple[str, Json, ReportedUsage | None]:
    """Return the status, the whole response, and its usage."""
    report = None if reply.usage_fault == "none" else _report(reply)
    more: Json = {"usage": report.raw} if report else {}
    status = "completed"
    if reply.finish == "length":
        status, more = "incomplete", more | {"incomplete_details": {"reason": "max_output_tokens"}}
    elif reply.finish == "refusal" and not reply.refusal:
        status, more = "incomplete", more | {"incomplete_details": {"reason": "content_filter"}}
    return status, _response(reply, status, output, **more), report


def _report(reply: SimulatedReply) -> ReportedUsage:
    usage = reply.usage
    cached, written = usage.cache_read, usage.cache_write_5m + usage.cache_write_1h
    before, after = usage.input + cached + written, usage.output + usage.reasoning
    counts: Json = {
        "input_tokens": before,
        "input_tokens_details": {"cached_tokens": cached} | ({"cache_write_tokens": written} if written else {}),
        "output_tokens": after,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": before + after,
    }
    match reply.usage_fault:
        case "negative":
            counts |= {"output_tokens": -after - 1, "total_tokens": before - after - 1}
        case "not_adding_up":
            counts["input_tokens_details"] = {"cached_tokens": before + 1}
        case "huge":
            counts |= {"output_tokens": 10**18, "total_tokens": before + 10**18}
        case "text":
            counts |= {"input_tokens": "many"}
        case _:
            return ReportedUsage(usage, msgspec.Raw(_encode(counts)))
    return ReportedUsage(None, msgspec.Raw(_encode(counts)))
