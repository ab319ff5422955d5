"""The tools of a Responses request: those that the caller runs, and the vendor's searches."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import read_count, read_objects
from tokenharbor.wire.framing.json_values import NULL

_CALLER_RUN = frozenset({"function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview"})
_SEARCH = "web_search"
_MOST_SEARCHES = 100

_decode_text = msgspec.json.Decoder(str | None).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def check_tools(raw: msgspec.Raw, name: str) -> bool:
    """Return whether a search is among the tools. Raises InvalidRequest for tools that the vendor would run without a
    limit or a price.
    """
    searches = False
    for index, tool in enumerate(read_objects(raw, name)):
        param = f"{name}[{index}]"
        kind = _type(tool, param)
        if kind.startswith(_SEARCH):
            searches = True
        elif kind == "namespace":
            if check_tools(tool.get("tools", NULL), f"{param}.tools"):
                raise _vendor_run(f"{param}.tools")
        elif not _is_caller_run(kind, tool):
            raise _vendor_run(f"{param}.type")
    return searches


def _is_caller_run(kind: str, tool: Members) -> bool:
    if kind == "tool_search":
        return bytes(tool.get("execution", NULL)) == b'"client"'
    if kind == "shell":
        return bytes(tool.get("environment", NULL)).translate(None, b" \t\n\r") == b'{"type":"local"}'
    return kind in _CALLER_RUN or not kind


def _type(tool: Members, param: str) -> str:
    try:
        return _decode_text(tool.get("type", NULL)) or ""
    except msgspec.DecodeError:
        raise InvalidRequest(f"`{param}.type` must be a string.", param=f"{param}.type") from None


def _vendor_run(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{param}` names a tool that the provider runs, which has no cost limit. Use tools that you"
        " run yourself, or web search with `max_tool_calls`.",
        param=param,
    )


def most_searches(members: Members) -> int | None:
    """Return the caller's limit on the vendor's tool calls."""
    return read_count(members, "max_tool_calls", 1, _MOST_SEARCHES)


def refuse_forced_search(members: Members) -> None:
    """Raise InvalidRequest for a forced search without a limit; one that is only listed is omitted."""
    if b'"web_search' in bytes(members.get("tool_choice", NULL)):
        raise InvalidRequest(
            "`tool_choice` asks for web searches, and each one is billed: set the maximum number in `max_tool_calls`.",
            param="tool_choice",
        )


def without_searches(raw: msgspec.Raw) -> bytes | None:
    """Return the list of tools without its web searches, every other tool's bytes unchanged; None
    if it has no search.
    """
    tools = read_objects(raw, "tools")
    kept = [not _type(tool, "tools").startswith(_SEARCH) for tool in tools]
    if all(kept):
        return None
    return b"[%b]" % b",".join(bytes(item) for item, stays in zip(_decode_items(raw), kept, strict=True) if stays)
