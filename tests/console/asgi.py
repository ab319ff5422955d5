"""Requests to an ASGI application that wait only for the beginning of the answer, as streams do not end."""

import asyncio
import contextlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Started:
    """An answer's beginning, and what of its body came with it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(
    app: Any, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, streams: bool = False
) -> Started:
    """Until the whole answer is there; of a stream, until it begins."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": path.partition("?")[2].encode(),
        "root_path": "",
        "scheme": "http",
        "server": ("localhost", 8080),
        "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    told: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    said: list[MutableMapping[str, Any]] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if told:
            return told.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)
        if message["type"] == "http.response.start":
            begun.set()
        elif not message.get("more_body"):
            ended.set()

    task = asyncio.ensure_future(app(scope, receive, send))
    waiting = asyncio.ensure_future(begun.wait())
    await asyncio.wait({task, waiting} if streams else {task}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    for each in (task, waiting):
        if each is waiting or streams:
            each.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    start, *rest = said
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    return Started(start["status"], named, b"".join(each.get("body", b"") for each in rest))
