"""The response object around an answer's items: what it repeats of the request, and the names of the caller's tools."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.body import Members
from tokenharbor.wire.events import FinishReason
from tokenharbor.wire.ids import fit_answer
from tokenharbor.wire.openai_responses import asked
from tokenharbor.wire.openai_responses.shapes import UNREADABLE
from tokenharbor.wire.openai_responses.usage import write_usage
from tokenharbor.wire.request import Request

Json = dict[str, object]

_REPEATED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""The fields that an answer repeats, and what stands there if the request has none."""

_NULL_KEPT = frozenset({"instructions", "max_output_tokens", "max_tool_calls", "prompt_cache_key", "user"})


class Envelope:
    """Writes the response object of one answer."""

    def __init__(self, created: int, request: Request | None) -> None:
        self._created = created
        members = {} if request is None else request.members
        self._repeated = {name: _value(members, name, usual) for name, usual in _REPEATED.items()}
        self.id = ""
        self._model = ""

    def start(self, id_: str, model: str) -> None:
        """Ids of other dialects get this one's prefix."""
        self.id = fit_answer(id_, "resp_")
        self._model = model

    def write(self, status: str, output: list[object], **more: object) -> Json:
        whole: Json = {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
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
        return whole | self._repeated | more


def _value(members: Members, name: str, usual: object) -> object:
    raw = members.get(name)
    if raw is None or (bytes(raw) == b"null" and name not in _NULL_KEPT):
        return usual
    return raw


def ending(
    reason: FinishReason, usage: Usage | None, cost_usd: str | None = None, *, in_words: bool = False
) -> tuple[str, Json]:
    """The status of a finished answer, and what its response says of it; `in_words`: a refusal was written."""
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


def own_names(request: Request | None) -> dict[str, tuple[str, str]]:
    """What other dialects call a tool within a namespace: the namespace, and its own name there."""
    raw = None if request is None else request.members.get("tools")
    if raw is None or b'"namespace"' not in bytes(raw):
        return {}
    try:
        tools = asked.decode_tools(raw) or []
    except UNREADABLE:
        return {}
    return {
        asked.full_name(function.name, tool.name): (tool.name, function.name)
        for tool in tools
        if tool.type == "namespace"
        for function in tool.tools or ()
    }
