"""The response object around an answer's items: the request's repeated fields, and the caller's names of tools."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.openai_responses import request_schema
from tokenharbor.wire.dialects.openai_responses.usage import write_usage
from tokenharbor.wire.fitting.ids import LONG, SHORT, fit, fit_answer
from tokenharbor.wire.framing.body import Members, UnreadableError, edit, scan
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import caller_names

Json = dict[str, object]

_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode

_REPEATED: Json = {
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "prompt_cache_key": None,
    "reasoning": msgspec.Raw(b'{"effort":null,"summary":null}'),
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "text": msgspec.Raw(b'{"format":{"type":"text"}}'),
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""The fields that an answer repeats, with the defaults for those absent from the request."""

_NULL_SIZE = len(NULL)
_NULL_KEPT = frozenset({"instructions", "max_output_tokens", "max_tool_calls", "prompt_cache_key", "user"})

_FILLED = frozenset({"reasoning", "tools"})
_LEAST_OF_REASONING = ("effort", "summary")
_LEAST_OF_FUNCTION = ("description", "parameters", "strict")


class ResponseEnvelope:
    """Writes the response object of one answer."""

    def __init__(self, recipient: ReplyContext) -> None:
        self._created = recipient.created
        self._now = recipient.now
        self._repeated = _REPEATED.copy()
        for name, raw in () if recipient.request is None else recipient.request.members.items():
            if name in _REPEATED and (len(raw) != _NULL_SIZE or raw != NULL or name in _NULL_KEPT):
                self._repeated[name] = _filled(name, raw) if name in _FILLED else raw
        self.id = self._model = ""
        self.stem = ""  # the common part of its items' ids

    def start(self, id_: str, model: str) -> None:
        """Set the id, with this dialect's prefix, and the model."""
        self.id = fit_answer(id_, "resp_")
        self.stem = self.id[len("resp_") :][-40:]
        self._model = model

    def write(self, status: str, output: list[object], **more: object) -> Json:
        whole: Json = {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "completed_at": self._ended() if status == "completed" else None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": output,
            "previous_response_id": None,
            "store": False,
            "usage": None,
        }
        whole.update(self._repeated)
        whole.update(more)
        return whole

    def _ended(self) -> int:
        """Return the end's time, never before the beginning, even if the clock was set back."""
        return self._created if self._now is None else max(self._created, self._now())


def _filled(name: str, raw: msgspec.Raw) -> object:
    """Return a field as the vendor repeats it, with null for omitted members; unchanged if it cannot be read."""
    with suppress(*UNREADABLE, UnreadableError):
        if name == "reasoning":
            return _with_nulls(raw, _LEAST_OF_REASONING)
        if name == "tools":
            return [_with_nulls(tool, _LEAST_OF_FUNCTION, only=b'"function"') for tool in _decode_raws(raw)]
    return raw


def _with_nulls(raw: msgspec.Raw, least: tuple[str, ...], only: bytes | None = None) -> msgspec.Raw:
    members = scan(bytes(raw))
    if only is not None and bytes(members.get("type", NULL)) != only:
        return raw
    return msgspec.Raw(edit(bytes(raw), members, {name: b"null" for name in least if name not in members}))


def ending(
    reason: FinishReason, usage: Usage | None, cost_usd: str | None = None, *, in_words: bool = False
) -> tuple[str, Json]:
    """Return the status of a finished answer, and further members of its response; `in_words`: the refusal is text."""
    more: Json = {}
    if usage is not None:
        counts = write_usage(usage)
        if cost_usd is not None:
            counts["cost"] = msgspec.Raw(cost_usd.encode())
        more["usage"] = counts
        if usage.web_searches:
            more["tool_usage"] = {"web_search": {"num_requests": usage.web_searches}}
    if reason is FinishReason.LENGTH:
        return "incomplete", more | {"incomplete_details": {"reason": "max_output_tokens"}}
    if reason is FinishReason.REFUSAL and not in_words:
        return "incomplete", more | {"incomplete_details": {"reason": "content_filter"}}
    return "completed", more


def own_names(request: Request | None) -> dict[str, tuple[str | None, str]]:
    """Map other dialects' names of the caller's tools, where they differ, to the namespace, if any, and the caller's
    name.
    """
    names: dict[str, tuple[str | None, str]] = {}
    for made, own in caller_names(request).items():
        names[made] = None, own
    for tool in _listed(request.members) if request is not None and b'"namespace"' in request.body else ():
        for function in tool.tools or ():
            full = request_schema.full_name(function.name, tool.name)
            for made in (full, fit(full, SHORT), fit(full, LONG)):
                names[made] = (tool.name, function.name)
    return names


def _listed(members: Members) -> Iterator[request_schema.ResponsesTool]:
    """Yield the namespaces among the tools, and among the tools in input items."""
    with suppress(*UNREADABLE):
        raw = members.get("tools", NULL)
        if b'"namespace"' in bytes(raw):
            yield from request_schema.decode_tools(raw)
    with suppress(*UNREADABLE):
        raw = members.get("input", NULL)
        for item in request_schema.decode_items(raw) if b'"additional_tools"' in bytes(raw) else ():
            if isinstance(item, msgspec.Raw) and b'"additional_tools"' in bytes(item):
                yield from request_schema.decode_item(item).tools or ()
