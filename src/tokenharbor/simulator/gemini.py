"""Google's Gemini API, from the vendor's side: the model is in the path, usage in every event, signatures on calls."""

import base64
import re
from typing import Any, Self
from urllib.parse import unquote

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

_PATH = re.compile(r"/models/([^/:]+):(generateContent|streamGenerateContent)$")
_SNAKE = re.compile(
    rb'"(function_call|function_response|function_declarations|tool_config|function_calling_config'
    rb'|generation_config|max_output_tokens)"(?=\s*:)'
)
"""The other spelling of members that are read here: the vendor accepts both."""
_FINISH = {"length": "MAX_TOKENS", "refusal": "SAFETY"}
_ERRORS = {  # status: word, message
    400: ("INVALID_ARGUMENT", "Simulated fault: invalid request."),
    401: ("UNAUTHENTICATED", "The simulator rejected this API key."),
    402: ("FAILED_PRECONDITION", "The simulated account has run out of credit."),
    403: ("PERMISSION_DENIED", "The simulated project does not allow this model."),
    404: ("NOT_FOUND", "Simulated fault: unknown model."),
    429: ("RESOURCE_EXHAUSTED", "The simulated quota has been used up."),
    500: ("INTERNAL", "The simulated server had an error."),
    503: ("UNAVAILABLE", "The simulated model is overloaded."),
    504: ("DEADLINE_EXCEEDED", "The simulated server took too long."),
}


class _Function(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct, rename="camel"):
    function_declarations: list[_Function] = []


class _Calling(msgspec.Struct, rename="camel"):
    mode: str = "AUTO"


class _ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: _Calling = msgspec.field(default_factory=_Calling)


class _Config(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None


class _Content(msgspec.Struct):
    parts: list[dict[str, Any]]
    role: str = "user"


class _Body(msgspec.Struct, rename="camel"):
    contents: list[_Content]
    tools: list[_Tool] = []
    tool_config: _ToolConfig = msgspec.field(default_factory=_ToolConfig)
    generation_config: _Config = msgspec.field(default_factory=_Config)


_decode = msgspec.json.Decoder(_Body).decode


class SimulatedGemini:
    """The simulated dialect `gemini`, for one request's path."""

    name = "gemini"
    stream_type = EVENT_STREAM

    def __init__(self, model: str, *, stream: bool) -> None:
        self._model = model
        self._stream = stream

    @classmethod
    def at(cls, path: str) -> Self | None:
        """Return the dialect for a path; None if the path is not Gemini's."""
        match = _PATH.search(path)
        return cls(unquote(match[1]), stream=match[2].startswith("stream")) if match else None

    def read(self, body: bytes) -> SimulatedRequest:
        try:
            request = _decode(_SNAKE.sub(_camel, body))
        except UNREADABLE as error:
            raise VendorError(400, f"The simulator could not read the request: {error}") from None
        if not request.contents:
            raise VendorError(400, "* GenerateContentRequest.contents: contents is not specified")
        forbidden = request.tool_config.function_calling_config.mode == "NONE"
        names = tuple(one.name for tool in request.tools for one in tool.function_declarations)
        return SimulatedRequest(
            model=self._model,
            stream=self._stream,
            max_output=request.generation_config.max_output_tokens,
            tools=() if forbidden else names,
            tool_turns=sum(1 for content in request.contents if _found(content, "functionCall")),
            tool_result=_last_result(request.contents),
            input_tokens=len(body) // 4,
        )

    def fold(self, usage: Usage) -> Usage:
        """Return the usage without separate counts of cache writes."""
        fresh = usage.input + usage.cache_write_5m + usage.cache_write_1h
        return msgspec.structs.replace(usage, input=fresh, cache_write_5m=0, cache_write_1h=0)

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]:
        report = _report(reply)
        pieces = []
        for part, text in _parts(reply):
            data = _event(_body(reply, {"content": {"parts": [part], "role": "model"}, "index": 0}, report))
            pieces.append(AnswerPiece(data, "content", len(text.encode()), report))
        last = {"content": {"parts": [{"text": ""}], "role": "model"}, **_finish(reply), "index": 0}
        if not pieces:
            last.pop("content")
        return [*pieces, AnswerPiece(_event(_body(reply, last, report)), "end", report=report)]

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        report = _report(reply)
        parts = _parts(msgspec.structs.replace(reply, chunk_chars=1 << 30))
        candidate: dict[str, Any] = {**_finish(reply), "index": 0}
        if parts:
            candidate["content"] = {"parts": [part for part, _ in parts], "role": "model"}
        size = len("".join(text for _, text in parts).encode())
        return AnswerPiece(_encode(_body(reply, candidate, report)), "whole", size, report)

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:  # noqa: ARG002  not in this dialect's body
        usual = _ERRORS[status] if status in _ERRORS else _ERRORS[400 if status < 500 else 503]
        error: dict[str, Any] = {
            "code": status,
            "message": fields.message if fields.message is not None else usual[1],
            "status": fields.type if fields.type is not None else usual[0],
        }
        if fields.code is not None:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": fields.code}
            error["details"] = [info]
        return _encode({"error": error})

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        return _event_of(self.error(status, fields, request_id))

    def ping(self) -> bytes:
        return b": simulator still at work\r\n\r\n"

    def padding(self, size: int) -> bytes:
        return b": " + b"." * max(size - 6, 0) + b"\r\n\r\n"

    def request_id_header(self) -> bytes:
        return b"x-request-id"


def _camel(found: re.Match[bytes]) -> bytes:
    first, *rest = found[1].split(b"_")
    return b'"%s"' % b"".join([first, *(word.capitalize() for word in rest)])


def _event(body: dict[str, Any]) -> bytes:
    return _event_of(_encode(body))


def _event_of(data: bytes) -> bytes:
    return b"data: " + data + b"\r\n\r\n"


def _found(content: _Content, kind: str) -> list[dict[str, Any]]:
    return [part[kind] for part in content.parts if kind in part]


def _last_result(contents: list[_Content]) -> str | None:
    results = [result for content in contents for result in _found(content, "functionResponse")]
    if not results:
        return None
    response = results[-1].get("response", {})
    text = response.get("output", response.get("error"))
    return text if isinstance(text, str) else _encode(response).decode()


def _body(reply: SimulatedReply, candidate: dict[str, Any], report: ReportedUsage | None) -> dict[str, Any]:
    counted = {"usageMetadata": report.raw} if report else {}
    return {"candidates": [candidate], **counted, "modelVersion": reply.model, "responseId": reply.id}


def _finish(reply: SimulatedReply) -> dict[str, Any]:
    return {"finishReason": _FINISH.get(reply.finish, "STOP")}


def _parts(reply: SimulatedReply) -> list[tuple[dict[str, Any], str]]:
    """Return each part and its generated text. The first call of a step is signed."""
    size = reply.chunk_chars
    parts: list[tuple[dict[str, Any], str]] = [
        ({"text": t, "thought": True}, t) for t in split_text(reply.reasoning, size)
    ]
    parts += [({"text": t}, t) for t in split_text(reply.text or reply.refusal, size)]
    signature = base64.b64encode(f"simulated signature of {reply.id}".encode()).decode()
    for index, call in enumerate(reply.calls):
        arguments = call.arguments if _is_json(call.arguments) else "{}"  # cut by the maximum
        part = {"functionCall": {"name": call.name, "args": msgspec.Raw(arguments.encode()), "id": call.id}}
        parts.append((part | ({} if index else {"thoughtSignature": signature}), arguments))
    return parts


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
    prompt = usage.input + usage.cache_read
    counts: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": prompt + usage.output + usage.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    match reply.usage_fault:
        case "negative":
            counts |= {"candidatesTokenCount": -1}
        case "not_adding_up":
            counts["totalTokenCount"] += 1
        case "huge":
            counts |= {"candidatesTokenCount": 10**18}
        case "text":
            counts |= {"promptTokenCount": "many"}
        case _:
            return ReportedUsage(usage, msgspec.Raw(_encode(counts)))
    return ReportedUsage(None, msgspec.Raw(_encode(counts)))
