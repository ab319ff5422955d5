"""Anthropic's token counting: a request without the maximum that answers require."""

from collections.abc import Mapping
from typing import Any

from tokenharbor.wire.dialects.anthropic_messages.requests import read
from tokenharbor.wire.framing.body import edit, read_members
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Request

_MAXIMUM = "max_tokens"


def read_count_request(body: bytes, _place: ModelInPath | None) -> Request:
    """Read a request to count. Raises InvalidRequest."""
    members = read_members(body)
    return read(body if _MAXIMUM in members else edit(body, members, {_MAXIMUM: b"1"}))


def write_count(tokens: int) -> Mapping[str, Any]:
    return {"input_tokens": tokens}
