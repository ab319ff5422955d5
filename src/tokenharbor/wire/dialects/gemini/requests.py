"""Gemini's requests: read for routing and billing, edited for a vendor."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.gemini import request_schema
from tokenharbor.wire.dialects.gemini.media import measure
from tokenharbor.wire.dialects.gemini.names import as_list, is_blank, name_in, to_known_spelling
from tokenharbor.wire.dialects.gemini.thinking import stated
from tokenharbor.wire.framing.body import Members, UnreadableError, edit, read_members, refuse_variants, scan
from tokenharbor.wire.framing.fields import (
    MOST_TOKENS,
    Check,
    is_null,
    lax_whole,
    only,
    read_budget,
    read_count,
    read_objects,
    refuse_if_set,
    run_checks,
)
from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.framing.names import fold
from tokenharbor.wire.neutral import extensions
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Edit, Request, StatedEffort

NAME = "gemini"

_MOST_CANDIDATES = 8
_CONFIG = "generationConfig"
_PREFIX = "models/"
_decode_text = msgspec.json.Decoder(str).decode
_decode_words = msgspec.json.Decoder(list[str] | None).decode

_OTHER_MODEL = (
    "lets another model serve the request, which is not supported: name the model in the path and remove this field."
)
_MEDIA_OUT = "asks for generated audio or images, which are not supported here: remove it."


def _text_only(raw: msgspec.Raw) -> str | None:
    try:
        words = _decode_words(raw) or []
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "must be an array of strings."
    return None if {word.upper() for word in words} <= {"TEXT", "MODALITY_UNSPECIFIED"} else _MEDIA_OUT


# Fields that change the price or the vendor's retention. All others, known or not, pass unchanged.
_CHECKS: dict[str, Check] = {
    "cachedContent": refuse_if_set(
        "refers to content stored at the provider, which is not supported: send the content in the request."
    ),
    "serviceTier": only("standard", "STANDARD", "unspecified", "SERVICE_TIER_UNSPECIFIED"),
    "store": refuse_if_set("must not be true: the gateway does not let providers store requests."),
}
_CONFIG_CHECKS: dict[str, Check] = {
    "responseModalities": _text_only,
    "speechConfig": refuse_if_set(_MEDIA_OUT),
    "imageConfig": refuse_if_set(_MEDIA_OUT),
    "routingConfig": refuse_if_set(_OTHER_MODEL),
    "modelSelectionConfig": refuse_if_set(_OTHER_MODEL),
}
CONFIG_FIELDS = frozenset(request_schema.GenerationConfig.__struct_encode_fields__)
KNOWN = frozenset(request_schema.GeminiRequest.__struct_encode_fields__)
_PLAIN = frozenset({"contents", "systemInstruction", "toolConfig", _CONFIG, "safetySettings", "labels"})
_PLAIN_CONFIG = CONFIG_FIELDS - _CONFIG_CHECKS.keys()
_EXTENSIONS = frozenset(extensions.NAMES)
_SPELLED = KNOWN | _EXTENSIONS
_FOLDED = {fold(name): name for name in _SPELLED}
_FOLDED_CONFIG = {fold(name): name for name in CONFIG_FIELDS}
_TOOL_KINDS = frozenset(
    {
        "functionDeclarations",
        "computerUse",
        "googleSearch",
        "googleSearchRetrieval",
        "enterpriseWebSearch",
        "googleMaps",
        "codeExecution",
        "urlContext",
        "fileSearch",
        "retrieval",
        "mcpServers",
    }
)
_CALLER_RUN = frozenset({"functionDeclarations", "computerUse"})


def read(body: bytes, model_in_path: ModelInPath | None = None) -> Request:
    """Check and read a request. Raises InvalidRequest."""
    if model_in_path is None or not model_in_path.model:
        raise InvalidRequest("The path has no model: use /models/MODEL:generateContent.", param="model")
    members = read_members(body)
    plain = to_known_spelling(members, KNOWN)
    _need_contents(plain.get("contents", NULL))
    ours, extended = extensions.NONE, False
    if not _PLAIN.issuperset(plain):
        refuse_variants(plain, _SPELLED, _FOLDED)
        run_checks(plain, _CHECKS)
        _check_model(plain, model_in_path.model)
        if "tools" in plain:
            _check_tools(plain["tools"])
        extended = not _EXTENSIONS.isdisjoint(members)
        ours = extensions.read_extensions(plain)
    config = read_config(plain)
    if not _PLAIN_CONFIG.issuperset(config):
        refuse_variants(config, CONFIG_FIELDS, _FOLDED_CONFIG)
        run_checks_within(config)
    return Request(
        dialect=NAME,
        body=body,
        members=members,
        model=model_in_path.model,
        stream=model_in_path.stream,
        max_output=_read_count(config, "maxOutputTokens", MOST_TOKENS),
        choices=_read_choices(config) if "candidateCount" in config else 1,
        thinking_budget=_read_budget(config) if "thinkingConfig" in config else 0,
        wants_usage=True,  # this dialect always reports it
        size=measure(body, plain),
        rules=ours.rules,
        cache=ours.cache,
        include_cost=ours.include_cost,
        extended=extended,
    )


def _need_contents(raw: msgspec.Raw) -> None:
    """Require contents: an array, or a single content."""
    if is_blank(raw):
        raise InvalidRequest("`contents` is missing.", param="contents")


def _read_choices(config: Members) -> int:
    return _read_count(config, "candidateCount", _MOST_CANDIDATES) or 1


def _read_count(config: Members, name: str, most: int) -> int | None:
    return read_count({name: lax_whole(config.get(name, NULL))}, name, 1, most, f"{_CONFIG}.")


def _read_budget(config: Members) -> int:
    """Return the thinking budget; 0 if it is negative, which leaves it to the model."""
    names = ("thinkingBudget", "thinking_budget")
    return max(read_budget(config["thinkingConfig"], name) for name in names)


def read_config(members: Members) -> Members:
    """Return `generationConfig` in camelCase; empty if absent."""
    raw = members.get(_CONFIG, NULL)
    if is_null(raw):
        return {}
    try:
        return to_known_spelling(scan(bytes(raw)), CONFIG_FIELDS, f"{_CONFIG}.")
    except UnreadableError as error:
        raise InvalidRequest(f"`{_CONFIG}` is invalid: {error}.", param=_CONFIG) from None


def run_checks_within(config: Members) -> None:
    for name in config.keys() & _CONFIG_CHECKS.keys():
        why = _CONFIG_CHECKS[name](config[name])
        if why is not None:
            raise InvalidRequest(f"`{_CONFIG}.{name}` {why}", param=f"{_CONFIG}.{name}")


def _check_model(members: Members, model: str) -> None:
    """Check a model that the client repeats in the body."""
    raw = members.get("model", NULL)
    if is_null(raw):
        return
    try:
        said = _decode_text(raw)
    except msgspec.DecodeError:
        raise InvalidRequest("`model` must be a string.", param="model") from None
    if said.removeprefix(_PREFIX) != model:
        raise InvalidRequest("`model` differs from the model in the path: remove it.", param="model")


def _check_tools(raw: msgspec.Raw) -> None:
    for index, tool in enumerate(read_objects(as_list(raw), "tools")):
        for name, value in to_known_spelling(tool, _TOOL_KINDS, f"tools[{index}].").items():
            if name not in _CALLER_RUN and not is_null(value):
                param = f"tools[{index}].{name[:60]}"
                raise InvalidRequest(
                    f"`{param}` is a tool that the provider runs, which has no cost limit and is not supported: remove"
                    " it.",
                    param=param,
                )


def write(request: Request, change: Edit) -> bytes:
    """Return the body for a vendor: the path has the model, and the body only if the caller repeated it."""
    members = request.members
    changes: dict[str, bytes | None] = dict(extensions.REMOVED) if request.extended else {}
    if change.model != request.model and not is_null(members.get("model")):
        changes["model"] = msgspec.json.encode(_PREFIX + change.model)
    if change.max_output is not None or change.effort is not None:
        name = name_in(members, _CONFIG)
        changes[name] = _configured(bytes(members.get(name, NULL)), change.max_output, change.effort)
    return edit(request.body, members, changes) if changes else request.body


def _configured(config: bytes, most: int | None, effort: StatedEffort | None) -> bytes:
    """Return the caller's `generationConfig` with a maximum, and with a thinking setting if it has none."""
    members = scan(config) if config != b"null" else {}
    changes: dict[str, bytes | None] = {}
    if most is not None:
        changes[name_in(members, "maxOutputTokens")] = b"%d" % most
    if (
        effort is not None
        and effort.chat.thinking is not None
        and (said := stated(effort.chat.thinking, effort.options))
    ):
        changes[name_in(members, "thinkingConfig")] = msgspec.json.encode(said)
    return edit(config if members else b"{}", members, changes)
