"""OpenAI's chat requests: read for routing and billing, edited for a vendor."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_chat.media import measure
from tokenharbor.wire.dialects.openai_chat.write_chat import thinking_of
from tokenharbor.wire.framing.body import (
    Members,
    UnreadableError,
    add_members,
    edit,
    read_members,
    refuse_variants,
    scan,
)
from tokenharbor.wire.framing.fields import (
    Check,
    is_null,
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
from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral import extensions
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Edit, Request

NAME = "openai_chat"

_MOST_CHOICES = 128
_OLDER, _NEWER = "max_tokens", "max_completion_tokens"
_OTHER_MAXIMA = frozenset({"max_output_tokens", "max_new_tokens", "max_gen_len", "max_length", "num_predict"})
_BUDGETS: dict[str, tuple[str, ...]] = {
    "thinking": ("budget_tokens",),
    "reasoning": ("max_tokens",),
    "thinking_budget": (),
}
"""The fields for a reasoning budget, and the member inside each."""

_HOUR = b'"1h"'
"""A `ttl` of an hour, for vendors of another dialect."""

_ESCAPED_HOUR = (b"\\u0031", b"\\u0068")
"""Escapes that the hour can be written with."""

_PLAIN = frozenset(
    {
        "model",
        "messages",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "enable_thinking",
        "min_p",
        "top_a",
        "repetition_penalty",
    }
)

_SEARCH = "starts a web search at the provider, which has a separate price and is not supported: remove it."
_AUDIO = "asks for generated audio, which is not supported here: remove it."
_OTHER_MODEL = "lets another model serve the request, which is not supported: use `model` and remove this field."


def _shown_only(raw: msgspec.Raw) -> str | None:
    if bytes(raw) in (b"null", b"1"):
        return None
    return "generates tokens that the answer does not show, so it is not supported: use `n`."


def _text_only(raw: msgspec.Raw) -> str | None:
    return None if bytes(raw).translate(None, b" \t\n\r") in (b"null", b'["text"]') else _AUDIO


# Fields that change the price or the vendor's retention. All others, known or not, pass unchanged.
_CHECKS: dict[str, Check] = {
    "service_tier": only("auto", "default", "standard"),
    "speed": only("standard"),
    "store": refuse_if_set("must not be true: the gateway does not let providers store requests."),
    "prompt_cache_retention": only("in_memory"),
    "web_search_options": refuse_if_set(_SEARCH),
    "enable_search": refuse_if_set(_SEARCH),
    "enable_enhancement": refuse_if_set(_SEARCH),  # cloud.tencent.com/document/product/1729/111007
    "enable_deep_search": refuse_if_set(_SEARCH),  # this one and the next are not documented; refused to be safe
    "force_search_enhancement": refuse_if_set(_SEARCH),
    "web_search": refuse_if_set(_SEARCH),
    "search_parameters": refuse_if_set(_SEARCH),
    "plugins": refuse_if_set(_SEARCH),
    "modalities": _text_only,
    "audio": refuse_if_set(_AUDIO),
    "prediction": refuse_if_set(
        "is billed by rejected tokens, which has no cost limit, so it is not supported: remove it."
    ),
    "moderation": refuse_if_set("runs a second model at the provider, which is not supported: remove it."),
    "models": refuse_if_set(_OTHER_MODEL),
    "route": refuse_if_set(_OTHER_MODEL),
    "fallbacks": refuse_if_set(_OTHER_MODEL),
    "best_of": _shown_only,
    "deferred": refuse_if_set("defers the answer, which is not supported: remove it."),
    "background": refuse_if_set("defers the answer, which is not supported: remove it."),
}
_EXTENSIONS = frozenset(extensions.NAMES)
KNOWN = frozenset(_PLAIN | _CHECKS.keys() | _BUDGETS.keys() | {"tools"} | _EXTENSIONS)
_CALLER_RUN = frozenset({b"null", b'"function"', b'"custom"'})


def read(body: bytes, model_in_path: ModelInPath | None = None) -> Request:  # noqa: ARG001  both are in the body
    """Check and read a request. Raises InvalidRequest."""
    members = read_members(body)
    model = read_model(members)
    need_list(members, "messages")
    ours: extensions.Extensions | None = None
    maximum, unsure = _read_maximum(members)
    if not _PLAIN.issuperset(members):
        refuse_variants(members, KNOWN)
        run_checks(members, _CHECKS)
        if "tools" in members:
            _check_tools(members["tools"])
        unsure = unsure or not _OTHER_MAXIMA.isdisjoint(members)
        if not _EXTENSIONS.isdisjoint(members):
            ours = extensions.read_extensions(members)
    request = Request(  # positional: a dozen keywords cost a microsecond
        NAME,
        body,
        members,
        model,
        read_flag(members, "stream"),
        maximum,
        unsure,
        0 if _BUDGETS.keys().isdisjoint(members) else _read_budget(members),
        (read_count(members, "n", 1, _MOST_CHOICES) or 1) if "n" in members else 1,
        _wants_usage(members["stream_options"]) if "stream_options" in members else False,
        measure(body, members),
        True,  # noqa: FBT003  vendors of this dialect cache automatically; some charge for the write
        _names_hour(body),
    )
    return extensions.extended(request, ours) if ours is not None else request


def _names_hour(body: bytes) -> bool:
    find = body.find  # `in` takes twice the time: it first tests for an integer
    return find(_HOUR) >= 0 or (find(b"\\") >= 0 and any(find(each) >= 0 for each in _ESCAPED_HOUR))


def _read_maximum(members: Members) -> tuple[int | None, bool]:
    """Return the maximum, and whether it is unsure: it has two names, and some vendors know only the older."""
    newer = read_count(members, _NEWER, 1) if _NEWER in members else None
    older = read_count(members, _OLDER, 1) if _OLDER in members else None
    if newer is None:
        return older, False
    return (newer, True) if older is None else (min(newer, older), newer != older)


def _read_budget(members: Members) -> int:
    """Return the largest budget among the vendors' several fields."""
    within = [read_budget(members[name], *words) for name, words in _BUDGETS.items() if name in members]
    return max(within, default=0)


def _wants_usage(raw: msgspec.Raw) -> bool:
    if is_null(raw):
        return False
    return read_flag(_options(raw), "include_usage", "stream_options.")


def _options(raw: msgspec.Raw) -> Members:
    try:
        return scan(bytes(raw))
    except UnreadableError as error:
        raise InvalidRequest(f"`stream_options` is invalid: {error}.", param="stream_options") from None


def _check_tools(raw: msgspec.Raw) -> None:
    for index, tool in enumerate(read_objects(raw, "tools")):
        if bytes(tool.get("type", NULL)) not in _CALLER_RUN:
            raise InvalidRequest(
                f"`tools[{index}].type` names a tool that the provider runs at a separate price: only"
                ' "function" and "custom" are supported.',
                param=f"tools[{index}].type",
            )


def write(request: Request, change: Edit) -> bytes:
    """Return the body for a vendor; `stream_options` is added only to a request for a stream."""
    changes: dict[str, bytes | None] = dict(extensions.REMOVED) if request.extended else {}
    if change.model != request.model:
        changes["model"] = msgspec.json.encode(change.model)
    if change.max_output is not None or (change.max_field and request.max_output is not None):
        changes.update(_maximum(request, change))
    if change.ask_usage and request.stream and not request.wants_usage:
        changes["stream_options"] = _asking(request)
    if change.effort is not None:
        said = thinking_of(change.effort.chat, change.effort.options)
        changes.update({name: msgspec.json.encode(value) for name, value in said.items()})
    return edit(request.body, request.members, changes) if changes else request.body


def _maximum(request: Request, change: Edit) -> dict[str, bytes | None]:
    """Return the maximum in the one field that the provider obeys; without a stated field, the caller's stays."""
    most = request.max_output if change.max_output is None else change.max_output
    field, members = change.max_field, request.members
    if field is None and change.max_output is not None:
        field = _OLDER
    if most is None or not field:
        return {}
    changes: dict[str, bytes | None] = {name: None for name in (_OLDER, _NEWER) if name in members and name != field}
    if changes or field not in members or change.max_output is not None:
        changes[field] = b"%d" % most
    return changes


def _asking(request: Request) -> bytes:
    """Return the caller's `stream_options` with usage requested."""
    return add_members(bytes(request.members.get("stream_options", NULL)), {"include_usage": True})
