"""A count of tokens as clients of Responses read it."""

from collections.abc import Mapping
from typing import Any


def write_count(tokens: int) -> Mapping[str, Any]:
    return {"object": "response.input_tokens", "input_tokens": tokens}
