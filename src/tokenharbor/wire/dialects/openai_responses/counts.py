"""The token count in the form of the Responses API."""

from collections.abc import Mapping
from typing import Any


def write_count(tokens: int) -> Mapping[str, Any]:
    return {"object": "response.input_tokens", "input_tokens": tokens}
