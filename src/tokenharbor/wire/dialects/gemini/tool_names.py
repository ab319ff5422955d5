"""The names that the caller gave to the tools of a Gemini request."""

from contextlib import suppress

import msgspec

from tokenharbor.wire.fitting.ids import originals
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.request import Request


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Tool(msgspec.Struct, frozen=True):
    functionDeclarations: list[_Named] | None = None  # noqa: N815  this dialect has two spellings
    function_declarations: list[_Named] | None = None


_decode = msgspec.json.Decoder(list[_Tool] | None).decode


def caller_names(request: Request | None) -> dict[str, str]:
    """Map tool names that were changed for the vendor to the caller's own: see `ids.fit`."""
    raw = request.members.get("tools") if request else None
    if raw is None:
        return {}
    names: list[str] = []
    with suppress(*UNREADABLE):
        for tool in _decode(raw) or ():
            declared = tool.functionDeclarations or tool.function_declarations or ()
            names += [one.name for one in declared if one.name]
    return originals(names)
