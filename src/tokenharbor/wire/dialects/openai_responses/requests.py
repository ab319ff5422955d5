"""Responses requests: read for routing and billing, edited for a vendor."""

from collections.abc import Mapping

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT
from tokenharbor.wire.dialects.openai_responses.media import measure_input
from tokenharbor.wire.dialects.openai_responses.tools import (
    check_tools,
    most_searches,
    refuse_forced_search,
    without_searches,
)
from tokenharbor.wire.dialects.openai_responses.write_chat import thinking_of
from tokenharbor.wire.framing.body import Members, edit, read_members, refuse_variants
from tokenharbor.wire.framing.fields import Check, only, read_count, read_flag, read_model, refuse_if_set, run_checks
from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral import extensions
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Edit, Request

_PLAIN = frozenset(
    {
        "model",
        "input",
        "instructions",
        "stream",
        "max_output_tokens",
        "temperature",
        "top_p",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "include",
        "metadata",
        "client_metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "safety_identifier",
        "user",
        "truncation",
        "stream_options",
        "top_logprobs",
    }
)

_STORED = "needs a conversation stored at the provider, which is not supported: send the whole conversation in `input`."
_DEFERRED = "defers the answer, which is not supported: remove it."
_OTHER_MODEL = "lets another model serve the request, which is not supported: use `model` and remove this field."

# Fields that change the price or the vendor's retention. All others, known or not, pass unchanged.
_CHECKS: Mapping[str, Check] = {
    "service_tier": only("auto", "default", "standard"),
    "speed": only("standard"),
    "store": refuse_if_set(
        "must not be true: the gateway does not let providers store requests. Send the whole conversation in `input`."
    ),
    "previous_response_id": refuse_if_set(_STORED),
    "conversation": refuse_if_set(_STORED),
    "prompt": refuse_if_set(
        "refers to a prompt stored at the provider, which is not supported: send its text in `instructions` or `input`."
    ),
    "background": refuse_if_set(_DEFERRED),
    "deferred": refuse_if_set(_DEFERRED),
    "prompt_cache_retention": only("in_memory"),
    "context_management": refuse_if_set(
        "lets the provider compact the conversation, which is not supported: remove it."
    ),
    "moderation": refuse_if_set("runs a second model at the provider, which is not supported: remove it."),
    "plugins": refuse_if_set("runs tools at the provider, which is not supported: remove it."),
    "models": refuse_if_set(_OTHER_MODEL),
    "route": refuse_if_set(_OTHER_MODEL),
    "fallbacks": refuse_if_set(_OTHER_MODEL),
}
_EXTENSIONS = frozenset(extensions.NAMES)
KNOWN = frozenset(_PLAIN | _CHECKS.keys() | {"tools", "max_tool_calls"} | _EXTENSIONS)


def read(body: bytes, model_in_path: ModelInPath | None = None) -> Request:  # noqa: ARG001  both are in the body
    """Check and read a request. Raises InvalidRequest."""
    members = read_members(body)
    model = read_model(members)
    if "input" not in members:
        raise InvalidRequest("`input` is missing.", param="input")
    ours, extended, searches = extensions.NONE, False, 0
    looked = measure_input(body, members)
    for name, tools in looked.tools:
        if check_tools(tools, name):
            raise InvalidRequest(f"`{name}` contains a web search: move it to `tools`.", param=name)
    if not _PLAIN.issuperset(members):
        refuse_variants(members, KNOWN)
        run_checks(members, _CHECKS)
        searches = _read_tools(members)
        extended = not _EXTENSIONS.isdisjoint(members)
        ours = extensions.read_extensions(members)
    return Request(
        dialect=DIALECT,
        body=body,
        members=members,
        model=model,
        stream=read_flag(members, "stream"),
        max_output=read_count(members, "max_output_tokens", 1) if "max_output_tokens" in members else None,
        wants_usage=True,  # this dialect always reports it
        size=looked.size,
        cache_writes=True,  # vendors of this dialect cache automatically; some charge for the write
        web_search_uses=searches,
        rules=ours.rules,
        cache=ours.cache,
        include_cost=ours.include_cost,
        extended=extended,
    )


def _read_tools(members: Members) -> int:
    """Return the most searches that the vendor may run."""
    most = most_searches(members)
    if "tools" not in members or not check_tools(members["tools"], "tools"):
        return 0
    if most is None:
        refuse_forced_search(members)
    return most or 0


def write(request: Request, change: Edit) -> bytes:
    """Return the body for a vendor: with `store` false, and without web searches that have no limit."""
    changes: dict[str, bytes | None] = dict(extensions.REMOVED) if request.extended else {}
    members = request.members
    if bytes(members.get("store", NULL)) != b"false":
        changes["store"] = b"false"
    if change.model != request.model:
        changes["model"] = msgspec.json.encode(change.model)
    if change.max_output is not None:
        changes["max_output_tokens"] = b"%d" % change.max_output
    if "tools" in members and not request.web_search_uses:
        kept = without_searches(members["tools"])
        if kept is not None:
            changes["tools"] = kept
    if change.effort is not None:
        said = thinking_of(change.effort.chat, change.effort.options)
        changes.update({name: msgspec.json.encode(value) for name, value in said.items()})
    return edit(request.body, members, changes) if changes else request.body
