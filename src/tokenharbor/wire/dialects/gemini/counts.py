"""Gemini's token counting: the request may be nested in a member."""

from collections.abc import Mapping
from typing import Any

from tokenharbor.wire.dialects.gemini.requests import read
from tokenharbor.wire.framing.body import read_members
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Request

_WRAPPERS = ("generateContentRequest", "generate_content_request")


def read_count_request(body: bytes, model_in_path: ModelInPath | None) -> Request:
    """Read a request to count. Raises InvalidRequest."""
    members = read_members(body)
    inner = next((bytes(members[name]) for name in _WRAPPERS if name in members), body)
    return read(inner, model_in_path)


def write_count(tokens: int) -> Mapping[str, Any]:
    return {"totalTokens": tokens}
