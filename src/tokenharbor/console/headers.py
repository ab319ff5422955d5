"""Security headers of every answer: no sniffing, framing, caching or loading of resources."""

from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


async def harden(message: Message, scope: Scope) -> None:  # noqa: ARG001  the hook's signature
    """Add the headers, except those that an answer sets itself, as pages and cacheable files do."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
