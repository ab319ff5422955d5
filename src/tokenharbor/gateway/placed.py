"""Paths that say the model and what is asked of it: `models/MODEL:generateContent`, as Gemini's clients call them."""

from urllib.parse import unquote

import msgspec

from tokenharbor.wire.neutral.dialect import ModelInPath

DIALECT = "gemini"
PREFIXES = ("/v1beta/models/", "/v1/models/")

_STREAMS = {"generateContent": False, "streamGenerateContent": True, "countTokens": False}
_COUNT = "countTokens"

METHODS = ", ".join(_STREAMS)
"""The methods that are served, for people."""


class Placed(msgspec.Struct, frozen=True):
    """What a path says. `counts`: tokens are asked for, not an answer."""

    place: ModelInPath
    counts: bool


def read_placed(path: str) -> Placed | None:
    """None for any other path. A model's name may hold slashes and colons, percent-encoded or as they are."""
    for prefix in PREFIXES:
        if path.startswith(prefix):
            break
    else:
        return None
    model, _, method = unquote(path[len(prefix) :]).rpartition(":")
    if not model or method not in _STREAMS:
        return None
    return Placed(ModelInPath(model, _STREAMS[method]), method == _COUNT)
