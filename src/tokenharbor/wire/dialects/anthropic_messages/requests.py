"""Anthropic's messages requests: read for routing and billing, edited for a vendor."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.anthropic_messages.media import MediaTally, mark_tool, measure
from tokenharbor.wire.dialects.anthropic_messages.thinking import stated
from tokenharbor.wire.framing.body import Members, add_members, edit, read_members, refuse_variants
from tokenharbor.wire.framing.fields import (
    Check,
    need_list,
    only,
    read_budget,
    read_count,
    read_flag,
    read_model,
    read_objects,
    refuse_if_set,
    run_checks,
)
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral import extensions
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Edit, Request

NAME = "anthropic_messages"

_MOST_SEARCHES = 100

_PLAIN = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "stream",
        "system",
        "metadata",
        "stop_sequences",
        "temperature",
        "top_k",
        "top_p",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "cache_control",
        "diagnostics",
        "user_profile_id",
        "workspace_id",
        "betas",
    }
)

_CONTAINER = "starts containers at the provider, which have a separate price and are not supported: remove it."
_BILLING = "changes the billing, which is not supported: remove it."


def _edits_in_place(raw: msgspec.Raw) -> str | None:
    """Allow edits that clear old content, which are free; a compaction is a separate request outside the answer's
    usage.
    """
    if len(raw) == 4 and bytes(raw) == b"null":
        return None
    try:
        edits = _decode_management(raw).edits
    except UNREADABLE:
        return "must be an object with an array `edits`."
    for change in edits or ():
        if not change.type.startswith("clear_"):
            return "supports only edits that clear content: a compaction is billed separately and has no cost limit."
    return None


class _Change(msgspec.Struct, frozen=True):
    type: str


class _Management(msgspec.Struct, frozen=True):
    edits: list[_Change] | None = None


_decode_management = msgspec.json.Decoder(_Management).decode

# Fields that change the price or the vendor's retention. All others, known or not, pass unchanged.
_CHECKS: dict[str, Check] = {
    "service_tier": only("auto", "standard_only"),
    "speed": only("standard"),
    "inference_geo": only("global"),
    "context_management": _edits_in_place,
    "compaction": refuse_if_set("is billed separately and has no cost limit, so it is not supported: remove it."),
    "container": refuse_if_set(_CONTAINER),
    "mcp_servers": refuse_if_set(
        "lets the provider call other servers, which has no cost limit: call them from your own tools."
    ),
    "thread": refuse_if_set(
        "stores the conversation at the provider, which is not supported: send the whole conversation in `messages`."
    ),
    "fallbacks": refuse_if_set(
        "lets another model serve the request, which is not supported: use `model` and remove this field."
    ),
    "fallback_credit_token": refuse_if_set(_BILLING),
    "billing_policy": refuse_if_set(_BILLING),
}
_EXTENSIONS = frozenset(extensions.NAMES)
KNOWN = frozenset(_PLAIN | _CHECKS.keys() | {"tools"} | _EXTENSIONS)

# Tools that the caller runs. All others run at the vendor; of them, only a bounded web search has a price.
_CALLER_RUN = ("custom", "bash_", "text_editor_", "computer_", "memory_", "browser_toolset_")
SEARCH = "web_search_"

_decode_text = msgspec.json.Decoder(str | None).decode


def read(body: bytes, model_in_path: ModelInPath | None = None) -> Request:  # noqa: ARG001  both are in the body
    """Check and read a request. Raises InvalidRequest."""
    members = read_members(body)
    model = read_model(members)
    need_list(members, "messages")
    ours, extended, searches = extensions.NONE, False, 0
    tally = measure(body, members)
    if not _PLAIN.issuperset(members):
        refuse_variants(members, KNOWN)
        run_checks(members, _CHECKS)
        if "tools" in members:
            searches = _read_tools(members["tools"], tally)
        extended = not _EXTENSIONS.isdisjoint(members)
        ours = extensions.read_extensions(members)
    return Request(
        dialect=NAME,
        body=body,
        members=members,
        model=model,
        stream=read_flag(members, "stream"),
        max_output=_read_maximum(members),
        thinking_budget=read_budget(members["thinking"], "budget_tokens") if "thinking" in members else 0,
        wants_usage=True,  # this dialect always reports it
        size=tally.size(body, members),
        cache_writes=tally.cached,
        cache_writes_1h=tally.cached_1h,
        web_search_uses=searches,
        rules=ours.rules,
        cache=ours.cache,
        include_cost=ours.include_cost,
        extended=extended,
    )


def _read_maximum(members: Members) -> int:
    """Return `max_tokens`; 0 fills the vendor's cache and generates nothing."""
    maximum = read_count(members, "max_tokens", 0)
    if maximum is None:
        raise InvalidRequest("`max_tokens` is missing: set the maximum number of output tokens.", param="max_tokens")
    return maximum


def _read_tools(raw: msgspec.Raw, tally: MediaTally) -> int:
    """Return the most searches that the tools allow. Raises InvalidRequest for tools that the vendor would run without
    a limit or a price.
    """
    searches = 0
    for index, tool in enumerate(read_objects(raw, "tools")):
        mark_tool(tally, tool)
        param = f"tools[{index}]"
        kind = _tool_type(tool.get("type", NULL), param)
        if kind.startswith(SEARCH):
            maximum = read_count(tool, "max_uses", 1, _MOST_SEARCHES, f"{param}.")
            if maximum is None:
                raise InvalidRequest(
                    f"`{param}.max_uses` is missing: set the maximum number of searches, as each one is billed.",
                    param=f"{param}.max_uses",
                )
            searches += maximum
        elif kind and not kind.startswith(_CALLER_RUN):
            raise InvalidRequest(
                f"`{param}.type` names a tool that the provider runs, which has no cost limit and is not supported:"
                " remove it.",
                param=f"{param}.type",
            )
    return searches


def _tool_type(raw: msgspec.Raw, param: str) -> str:
    try:
        return _decode_text(raw) or ""
    except msgspec.DecodeError:
        raise InvalidRequest(f"`{param}.type` must be a string.", param=f"{param}.type") from None


def write(request: Request, change: Edit) -> bytes:
    """Return the body for a vendor."""
    changes: dict[str, bytes | None] = dict(extensions.REMOVED) if request.extended else {}
    if change.model != request.model:
        changes["model"] = msgspec.json.encode(change.model)
    if change.max_output is not None:
        changes["max_tokens"] = b"%d" % change.max_output
    if change.effort is not None:
        for name, said in stated(change.effort.chat, change.effort.options).items():
            changes[name] = add_members(bytes(request.members.get(name, NULL)), said)
    return edit(request.body, request.members, changes) if changes else request.body
