"""AWS's Converse API, from the vendor's side: the model is in the path, streams use AWS's framing."""

import re
import struct
import zlib
from typing import Any, Self
from urllib.parse import unquote

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.simulator.dialect import (
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

_PATH = re.compile(r"/model/([^/]+)/converse(-stream)?$")
_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "stop_sequence": "stop_sequence",
    "refusal": "content_filtered",
    "pause": "end_turn",
}
_ERRORS = {  # status: type, message
    400: ("ValidationException", "Simulated fault: invalid request."),
    401: ("UnrecognizedClientException", "The simulator rejected this credential."),
    403: ("AccessDeniedException", "The simulated account does not allow this model."),
    404: ("ResourceNotFoundException", "Simulated fault: unknown model."),
    408: ("ModelTimeoutException", "The simulated model took too long."),
    424: ("ModelErrorException", "The simulated model had an error."),
    429: ("ThrottlingException", "The simulated rate limit has been reached."),
    500: ("InternalServerException", "The simulated server had an error."),
    503: ("ServiceUnavailableException", "The simulated service is not available."),
}
_IN_STREAMS = {400: "validationException", 424: "modelStreamErrorException", 429: "throttlingException"}


class _Spec(msgspec.Struct, rename="camel"):
    name: str = ""


class _Tool(msgspec.Struct, rename="camel"):
    tool_spec: _Spec | None = None


class _Tools(msgspec.Struct, rename="camel"):
    tools: list[_Tool] = []


class _Inference(msgspec.Struct, rename="camel"):
    max_tokens: int | None = None


class _Message(msgspec.Struct, rename="camel"):
    role: str
    content: list[dict[str, Any]]


class _Body(msgspec.Struct, rename="camel"):
    messages: list[_Message]
    tool_config: _Tools | None = None
    inference_config: _Inference | None = None


_decode = msgspec.json.Decoder(_Body).decode


class SimulatedBedrockConverse:
    """The simulated dialect `bedrock_converse`, for one request's path."""

    name = "bedrock_converse"
    stream_type = b"application/vnd.amazon.eventstream"

    def __init__(self, model: str, *, stream: bool) -> None:
        self._model = model
        self._stream = stream

    @classmethod
    def at(cls, path: str) -> Self | None:
        """Return the dialect for a path; None if the path is not Converse's."""
        match = _PATH.search(path)
        return cls(unquote(match[1]), stream=bool(match[2])) if match else None

    def read(self, body: bytes) -> SimulatedRequest:
        try:
            request = _decode(body)
        except UNREADABLE as error:
            raise VendorError(400, f"The simulator could not read the request: {error}") from None
        _check_turns(request.messages)
        tools = request.tool_config.tools if request.tool_config else []
        turns = [message for message in request.messages if _found(message, "toolUse")]
        if turns and not tools:
            raise VendorError(400, "The toolConfig field must be defined when using toolUse and toolResult blocks.")
        return SimulatedRequest(
            model=self._model,
            stream=self._stream,
            max_output=request.inference_config.max_tokens if request.inference_config else None,
            tools=tuple(tool.tool_spec.name for tool in tools if tool.tool_spec),
            tool_turns=len(turns),
            tool_result=_last_result(request.messages),
            input_tokens=len(body) // 4,
        )

    def fold(self, usage: Usage) -> Usage:
        """Return the usage without a separate count of reasoning."""
        return msgspec.structs.replace(usage, output=usage.output + usage.reasoning, reasoning=0)

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]:
        pieces = [_event("messageStart", {"role": "assistant"}, "open")]
        for index, (start, deltas) in enumerate(_deltas_by_block(reply)):
            place = {"contentBlockIndex": index}
            if start:
                pieces.append(_event("contentBlockStart", {"start": start} | place, "open"))
            for delta, text in deltas:
                pieces.append(_event("contentBlockDelta", {"delta": delta} | place, "content", len(text.encode())))
            pieces.append(_event("contentBlockStop", place, "close"))
        pieces.append(_event("messageStop", _stopped(reply, "delta"), "finish"))
        report = _report(reply)
        counted = {"usage": report.raw} if report else {}
        return [*pieces, _event("metadata", {"metrics": {"latencyMs": 1}} | counted, "end", report=report)]

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        report = _report(reply)
        texts = [text for _, deltas in _deltas_by_block(reply) for _, text in deltas]
        message = {
            "role": "assistant",
            "content": [_closed(start, deltas) for start, deltas in _deltas_by_block(reply)],
        }
        body = {"output": {"message": message}, "metrics": {"latencyMs": 1}} | _stopped(reply, None)
        counted = {"usage": report.raw} if report else {}
        return AnswerPiece(_encode(body | counted), "whole", len("".join(texts).encode()), report)

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:  # noqa: ARG002  a header has it
        usual = _ERRORS[status] if status in _ERRORS else _ERRORS[400 if status < 500 else 500]
        message = fields.message if fields.message is not None else usual[1]
        return _encode({"__type": fields.type or usual[0], "message": message})

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:  # noqa: ARG002  likewise
        usual = "serviceUnavailableException" if status in (503, 529) else "internalServerException"
        kind = fields.type or _IN_STREAMS.get(status, usual)
        message = fields.message if fields.message is not None else "The simulated stream ended early."
        return _frame({":exception-type": kind, ":message-type": "exception"}, _encode({"message": message}))

    def ping(self) -> bytes:
        """Return an event of an unknown type, since the vendor has no ping."""
        return self.padding(0)

    def padding(self, size: int) -> bytes:
        return _frame({":event-type": "padding", ":message-type": "event"}, _encode({"p": "." * max(size - 77, 0)}))

    def request_id_header(self) -> bytes:
        return b"x-amzn-requestid"


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    headers = headers | {":content-type": "application/json"}
    lines = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    front = struct.pack("!II", 16 + len(lines) + len(payload), len(lines))
    message = front + struct.pack("!I", zlib.crc32(front)) + lines + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _event(
    name: str, body: dict[str, Any], role: Any, text_bytes: int = 0, report: ReportedUsage | None = None
) -> AnswerPiece:
    data = _frame({":event-type": name, ":message-type": "event"}, _encode(body | {"p": "abcdefgh"}))
    return AnswerPiece(data, role, text_bytes, report)


def _check_turns(messages: list[_Message]) -> None:
    sides = ("user", "assistant")
    if not messages or any(message.role != sides[at % 2] for at, message in enumerate(messages)):
        raise VendorError(400, "A conversation must start with a user message, and roles must alternate.")
    if not all(message.content for message in messages):
        raise VendorError(400, "The content field in a message is empty. Add a ContentBlock object to it.")


def _found(message: _Message, kind: str) -> list[dict[str, Any]]:
    return [block[kind] for block in message.content if kind in block]


def _last_result(messages: list[_Message]) -> str | None:
    results = [result for message in messages for result in _found(message, "toolResult")]
    return plain_text(results[-1].get("content")) if results else None


def _stopped(reply: SimulatedReply, within: str | None) -> dict[str, Any]:
    stopped: dict[str, Any] = {"stopReason": _FINISH[reply.finish]}
    if reply.stop_sequence is not None:
        fields = {"stop_sequence": reply.stop_sequence}
        stopped["additionalModelResponseFields"] = {within: fields} if within else fields
    return stopped


def _deltas_by_block(reply: SimulatedReply) -> list[tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]]:
    """Return each block's start, if any, with its deltas and their generated text."""
    size = reply.chunk_chars
    deltas_by_block: list[tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]] = []
    if reply.reasoning:
        deltas = [({"reasoningContent": {"text": text}}, text) for text in split_text(reply.reasoning, size)]
        deltas_by_block.append(({}, [*deltas, ({"reasoningContent": {"signature": f"signed-{reply.id}"}}, "")]))
    if text := reply.text or reply.refusal:
        deltas_by_block.append(({}, [({"text": piece}, piece) for piece in split_text(text, size)]))
    for call in reply.calls:
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        deltas_by_block.append(
            (start, [({"toolUse": {"input": piece}}, piece) for piece in split_text(call.arguments, size)])
        )
    return deltas_by_block


def _closed(start: dict[str, Any], deltas: list[tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """Return a block as in a whole answer."""
    text = "".join(text for _, text in deltas)
    if start:
        # Arguments cut by the maximum are not JSON: the call's input stays empty.
        return {"toolUse": start["toolUse"] | {"input": msgspec.Raw(text.encode()) if _is_json(text) else {}}}
    if "text" in deltas[0][0]:
        return {"text": text}
    return {"reasoningContent": {"reasoningText": {"text": text, **deltas[-1][0]["reasoningContent"]}}}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _report(reply: SimulatedReply) -> ReportedUsage | None:
    if reply.usage_fault == "none":
        return None
    usage = reply.usage
    written = usage.cache_write_5m + usage.cache_write_1h
    counts: dict[str, Any] = {
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output + usage.cache_read + written,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": written,
    }
    if written:
        lives = (("1h", usage.cache_write_1h), ("5m", usage.cache_write_5m))
        counts["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in lives if tokens]
    match reply.usage_fault:
        case "negative":
            counts |= {"outputTokens": -1}
        case "not_adding_up":
            counts["totalTokens"] += 1
        case "huge":
            counts |= {"outputTokens": 10**18}
        case "text":
            counts |= {"outputTokens": "many"}
        case _:
            return ReportedUsage(usage, msgspec.Raw(_encode(counts)))
    return ReportedUsage(None, msgspec.Raw(_encode(counts)))
