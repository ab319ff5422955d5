"""Anthropic's Messages API, from the vendor's side."""

import base64
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
from tokenharbor.simulator.openai_chat import plain_text
from tokenharbor.wire.framing.json_values import UNREADABLE

_encode = msgspec.json.encode

_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_ERRORS = {  # status: type, message
    400: ("invalid_request_error", "Simulated fault: invalid request."),
    401: ("authentication_error", "The simulator rejected this API key."),
    402: ("billing_error", "The simulated account has run out of credit."),
    403: ("permission_error", "The simulated key does not allow this model."),
    404: ("not_found_error", "Simulated fault: unknown model."),
    413: ("request_too_large", "Simulated fault: request too large."),
    422: ("invalid_request_error", "Simulated fault: unprocessable request."),
    429: ("rate_limit_error", "The simulated rate limit has been reached."),
    500: ("api_error", "The simulated server had an error."),
    504: ("timeout_error", "The simulated server took too long."),
    529: ("overloaded_error", "The simulated engine is overloaded."),
}


class _Tool(msgspec.Struct):
    name: str = ""


class _Message(msgspec.Struct):
    role: str
    content: Any = None


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: Any = None


_decode = msgspec.json.Decoder(_Body).decode


class SimulatedAnthropicMessages:
    """The simulated dialect `anthropic_messages`; stateless."""

    name = "anthropic_messages"
    stream_type = EVENT_STREAM

    def read(self, body: bytes) -> SimulatedRequest:
        request = self.read_counted(body)
        if request.max_output is None:
            raise VendorError(400, "max_tokens: Field required", "max_tokens")
        return request

    def read_counted(self, body: bytes) -> SimulatedRequest:
        """Read like `read`, but without requiring a maximum, for token counts."""
        try:
            request = _decode(body)
        except UNREADABLE as error:
            raise VendorError(400, f"The simulator could not read the request: {error}") from None
        if not request.messages:
            raise VendorError(400, "messages: at least one message is required", "messages")
        forbidden = isinstance(request.tool_choice, dict) and request.tool_choice.get("type") == "none"
        return SimulatedRequest(
            model=request.model,
            stream=bool(request.stream),
            max_output=request.max_tokens,
            tools=() if forbidden else tuple(tool.name for tool in request.tools or ()),
            tool_turns=sum(1 for message in request.messages if _blocks(message, "assistant", "tool_use")),
            tool_result=_last_result(request.messages),
            input_tokens=len(body) // 4,
        )

    def fold(self, usage: Usage) -> Usage:
        return usage

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]:
        first = _report(reply, Usage(**_input_only(reply.usage), output=1))
        message = _message(reply) | {"content": [], **_ending(None)}
        message |= {"usage": first.raw} if first else {}
        pieces = [_event("message_start", {"message": message}, "open", report=first), AnswerPiece(self.ping(), "open")]
        for index, (block, deltas) in enumerate(_blocks_deltas_by_block(reply)):
            pieces.append(_event("content_block_start", {"index": index, "content_block": block}, "open"))
            for delta, text in deltas:
                body = {"index": index, "delta": delta}
                pieces.append(_event("content_block_delta", body, "content", len(text.encode())))
            pieces.append(_event("content_block_stop", {"index": index}, "close"))
        last = _report(reply, reply.usage, closing=True)
        end = {"delta": _ending(reply)} | ({"usage": last.raw} if last else {})
        pieces.append(_event("message_delta", end, "finish", report=last))
        return [*pieces, _event("message_stop", {}, "end")]

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        report = _report(reply, reply.usage)
        blocks = [_closed(block, deltas) for block, deltas in _blocks_deltas_by_block(reply)]
        texts = [text for _, deltas in _blocks_deltas_by_block(reply) for _, text in deltas]
        body = _message(reply) | {
            "content": blocks,
            **_ending(reply),
            **({"usage": report.raw} if report else {}),
        }
        return AnswerPiece(_encode(body), "whole", len("".join(texts).encode()), report)

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        usual = _ERRORS[status] if status in _ERRORS else _ERRORS[400 if status < 500 else 500]
        error = {
            "type": fields.type if fields.type is not None else usual[0],
            "message": fields.message if fields.message is not None else usual[1],
        }
        if fields.code is not None:
            error["code"] = fields.code
        return _encode({"type": "error", "error": error, "request_id": request_id})

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        return b"event: error\ndata: " + self.error(status, fields, request_id) + b"\n\n"

    def ping(self) -> bytes:
        return b'event: ping\ndata: {"type": "ping"}\n\n'

    def padding(self, size: int) -> bytes:
        return b'event: ping\ndata: {"type": "ping","padding":"%s"}\n\n' % (b"." * max(size - 47, 0))

    def request_id_header(self) -> bytes:
        return b"request-id"


def _event(
    name: str, body: dict[str, Any], role: Any, text_bytes: int = 0, report: ReportedUsage | None = None
) -> AnswerPiece:
    data = b"event: %s\ndata: %s\n\n" % (name.encode(), _encode({"type": name} | body))
    return AnswerPiece(data, role, text_bytes, report)


def _blocks(message: _Message, role: str, kind: str) -> list[dict[str, Any]]:
    if message.role != role or not isinstance(message.content, list):
        return []
    return [block for block in message.content if isinstance(block, dict) and block.get("type") == kind]


def _last_result(messages: list[_Message]) -> str | None:
    results = [block for message in messages for block in _blocks(message, "user", "tool_result")]
    return plain_text(results[-1].get("content")) if results else None


def _message(reply: SimulatedReply) -> dict[str, Any]:
    return {"model": reply.model, "id": f"msg_{reply.id}", "type": "message", "role": "assistant"}


def _ending(reply: SimulatedReply | None) -> dict[str, Any]:
    """Return the reason of the end, or nulls before it."""
    refused = reply is not None and reply.finish == "refusal"
    return {
        "stop_reason": _FINISH[reply.finish] if reply else None,
        "stop_sequence": reply.stop_sequence if reply else None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "container": None,
    }


def _signature(reply: SimulatedReply) -> str:
    """Return a signature of thinking, which the gateway must carry unchanged."""
    return base64.b64encode(f"simulated signature of {reply.id}".encode()).decode()


def _blocks_deltas_by_block(reply: SimulatedReply) -> list[tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]]:
    """Return each block as it opens, with its deltas and their generated text."""
    size = reply.chunk_chars
    deltas_by_block: list[tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]] = []
    if reply.reasoning:
        deltas = [({"type": "thinking_delta", "thinking": t}, t) for t in split_text(reply.reasoning, size)]
        signed = ({"type": "signature_delta", "signature": _signature(reply)}, "")
        deltas_by_block.append(({"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]))
    if text := reply.text or reply.refusal:
        deltas_by_block.append(
            (
                {"type": "text", "text": "", "citations": None},
                [({"type": "text_delta", "text": t}, t) for t in split_text(text, size)],
            )
        )
    for call in reply.calls:
        deltas = [({"type": "input_json_delta", "partial_json": t}, t) for t in split_text(call.arguments, size)]
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}, "caller": {"type": "direct"}}
        deltas_by_block.append((block, deltas))
    return deltas_by_block


def _closed(block: dict[str, Any], deltas: list[tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """Return a block as in a whole answer."""
    text = "".join(text for _, text in deltas)
    match block["type"]:
        case "thinking":
            return block | {"thinking": text, "signature": deltas[-1][0]["signature"]}
        case "tool_use":
            # Arguments cut by the maximum are not JSON: the vendor leaves the call's input empty.
            return block | {"input": msgspec.Raw(text.encode()) if _is_json(text) else {}}
        case _:
            return block | {"text": text}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _input_only(usage: Usage) -> dict[str, int]:
    names = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
    return {name: getattr(usage, name) for name in names}


def _report(reply: SimulatedReply, usage: Usage, *, closing: bool = False) -> ReportedUsage | None:
    """Return the usage. At a stream's end the vendor repeats the totals, without their breakdown by lifetime."""
    if reply.usage_fault == "none":
        return None
    written = usage.cache_write_5m + usage.cache_write_1h
    counts: dict[str, Any] = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output + usage.reasoning,
        "output_tokens_details": {"thinking_tokens": usage.reasoning} if usage.reasoning else None,
        "server_tool_use": None,
    }
    if not closing:
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
        counts |= {"service_tier": "standard", "inference_geo": None}
    match reply.usage_fault:
        case "negative":
            counts |= {"output_tokens": -1}
        case "not_adding_up":
            counts["output_tokens_details"] = {"thinking_tokens": counts["output_tokens"] + 1}
            if not closing:
                counts["cache_creation"] = {"ephemeral_5m_input_tokens": written + 1, "ephemeral_1h_input_tokens": 1}
        case "huge":
            counts |= {"output_tokens": 10**18}
        case "text":
            counts |= {"output_tokens": "many"}
        case _:
            return ReportedUsage(usage, msgspec.Raw(_encode(counts)))
    return ReportedUsage(None, msgspec.Raw(_encode(counts)))
