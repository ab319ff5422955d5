"""OpenAI's chat completions API, from the vendor's side."""

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
from tokenharbor.wire.framing.json_values import UNREADABLE

_encode = msgspec.json.encode

_FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "stop_sequence": "stop",
    "refusal": "content_filter",
    "pause": "stop",
}
_ERRORS = {  # status: type, code, message
    400: ("invalid_request_error", None, "Simulated fault: invalid request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided to the simulator."),
    402: ("insufficient_quota", "insufficient_quota", "The simulated account has run out of credit."),
    403: ("permission_error", "permission_denied", "The simulated project does not allow this model."),
    404: ("invalid_request_error", "model_not_found", "Simulated fault: unknown model."),
    413: ("invalid_request_error", "request_too_large", "Simulated fault: request too large."),
    422: ("invalid_request_error", None, "Simulated fault: unprocessable request."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for the simulated model."),
    500: ("server_error", None, "The simulated server had an error."),
    503: ("service_unavailable", "overloaded", "The simulated engine is overloaded."),
    529: ("overloaded_error", "overloaded", "The simulated engine is overloaded."),
}


class _Function(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    content: Any = None
    tool_calls: list[msgspec.Raw] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: Any = None


_decode = msgspec.json.Decoder(_Body).decode


class SimulatedOpenAIChat:
    """The simulated dialect `openai_chat`; stateless."""

    name = "openai_chat"
    stream_type = EVENT_STREAM

    def read(self, body: bytes) -> SimulatedRequest:
        try:
            request = _decode(body)
        except UNREADABLE as error:
            raise VendorError(400, f"The simulator could not read the request: {error}") from None
        if not request.messages:
            raise VendorError(400, "`messages` must have at least one message.", "messages")
        tools = tuple(tool.function.name for tool in request.tools or () if tool.function)
        return SimulatedRequest(
            model=request.model,
            stream=bool(request.stream),
            wants_usage=request.stream_options is not None and request.stream_options.include_usage,
            max_output=request.max_completion_tokens or request.max_tokens,
            choices=request.n or 1,
            tools=() if request.tool_choice == "none" else tools,
            tool_turns=sum(1 for message in request.messages if message.tool_calls),
            tool_result=_last_result(request.messages),
            input_tokens=len(body) // 4,
        )

    def fold(self, usage: Usage) -> Usage:
        written = usage.cache_write_5m + usage.cache_write_1h
        return msgspec.structs.replace(usage, cache_write_5m=written, cache_write_1h=0)

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]:
        head, tail = _frame(reply)
        choices = range(reply.choices)
        pieces = [_open(head, tail, index) for index in choices]
        for delta, text in _deltas(reply):
            data = _encode(delta)
            pieces.extend(_delta(head, tail, index, data, len(text.encode())) for index in choices)
        finish = _encode(_FINISH[reply.finish])
        pieces.extend(
            AnswerPiece(
                b'%s{"index":%d,"delta":{},"logprobs":null,"finish_reason":%s}%s' % (head, i, finish, tail), "finish"
            )
            for i in choices
        )
        if reply.wants_usage and reply.usage_fault != "none":
            report = _report(reply)
            end = tail.replace(b'"usage":null', b'"usage":' + bytes(report.raw))
            pieces.append(AnswerPiece(head + end, "finish", report=report))
        return [*pieces, AnswerPiece(b"data: [DONE]\n\n", "end")]

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        report = None if reply.usage_fault == "none" else _report(reply)
        body = {
            "id": f"chatcmpl-{reply.id}",
            "object": "chat.completion",
            "created": reply.created,
            "model": reply.model,
            "choices": [
                {"index": i, "message": _message(reply), "logprobs": None, "finish_reason": _FINISH[reply.finish]}
                for i in range(reply.choices)
            ],
            **({"usage": report.raw} if report else {}),
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
        }
        texts = [text for _, text in _deltas(reply)]
        return AnswerPiece(_encode(body), "whole", len("".join(texts).encode()) * reply.choices, report)

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:  # noqa: ARG002  not in this dialect's body
        usual = _ERRORS[status] if status in _ERRORS else _ERRORS[400 if status < 500 else 500]
        error = {
            "message": fields.message if fields.message is not None else usual[2],
            "type": fields.type if fields.type is not None else usual[0],
            "param": fields.param,
            "code": fields.code if fields.code is not None else usual[1],
        }
        return _encode({"error": error})

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        return b"data: " + self.error(status, fields, request_id) + b"\n\n"

    def ping(self) -> bytes:
        return b": simulator still at work\n\n"

    def padding(self, size: int) -> bytes:
        return b": " + b"." * max(size - 4, 0) + b"\n\n"

    def request_id_header(self) -> bytes:
        return b"x-request-id"


def _last_result(messages: list[_Message]) -> str | None:
    results = [message.content for message in messages if message.role == "tool"]
    return plain_text(results[-1]) if results else None


def plain_text(content: Any) -> str:
    """Return the text of a content that is a string or a list of parts, in either dialect."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _frame(reply: SimulatedReply) -> tuple[bytes, bytes]:
    """Return the bytes before and after a chunk's choices."""
    head = {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion.chunk",
        "created": reply.created,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    }
    usage = b',"usage":null' if reply.wants_usage and reply.usage_fault != "none" else b""
    return b"data: " + _encode(head)[:-1] + b',"choices":[', b"]" + usage + b"}\n\n"


def _open(head: bytes, tail: bytes, index: int) -> AnswerPiece:
    delta = b'{"role":"assistant","content":"","refusal":null}'
    return AnswerPiece(
        b'%s{"index":%d,"delta":%s,"logprobs":null,"finish_reason":null}%s' % (head, index, delta, tail), "open"
    )


def _delta(head: bytes, tail: bytes, index: int, delta: bytes, text_bytes: int) -> AnswerPiece:
    data = b'%s{"index":%d,"delta":%s,"logprobs":null,"finish_reason":null}%s' % (head, index, delta, tail)
    return AnswerPiece(data, "content", text_bytes)


def _deltas(reply: SimulatedReply) -> list[tuple[dict[str, Any], str]]:
    """Return each delta and its generated text."""
    size = reply.chunk_chars
    deltas: list[tuple[dict[str, Any], str]] = [
        ({"reasoning_content": t}, t) for t in split_text(reply.reasoning, size)
    ]
    deltas += [({"content": t}, t) for t in split_text(reply.text, size)]
    deltas += [({"refusal": t}, t) for t in split_text(reply.refusal, size)]
    for index, call in enumerate(reply.calls):
        start = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        deltas.append(({"tool_calls": [start]}, ""))
        deltas += [
            ({"tool_calls": [{"index": index, "function": {"arguments": t}}]}, t)
            for t in split_text(call.arguments, size)
        ]
    return deltas


def _message(reply: SimulatedReply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.calls
        ]
    return message | {"annotations": []}


def _report(reply: SimulatedReply) -> ReportedUsage:
    usage = reply.usage
    cached, written = usage.cache_read, usage.cache_write_5m + usage.cache_write_1h
    prompt, completion = usage.input + cached + written, usage.output + usage.reasoning
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }
    if written:
        counts["prompt_tokens_details"]["cache_write_tokens"] = written
    match reply.usage_fault:
        case "negative":
            counts |= {"completion_tokens": -completion - 1, "total_tokens": prompt - completion - 1}
        case "not_adding_up":
            counts["prompt_tokens_details"] = {"cached_tokens": prompt + 1, "audio_tokens": 0}
        case "huge":
            counts |= {"completion_tokens": 10**18, "total_tokens": prompt + 10**18}
        case "text":
            counts |= {"prompt_tokens": "many"}
        case _:
            return ReportedUsage(usage, msgspec.Raw(_encode(counts)))
    return ReportedUsage(None, msgspec.Raw(_encode(counts)))
