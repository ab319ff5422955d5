"""Requests sent byte for byte, and answers as they came over the socket."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

PATIENCE = 20.0  # seconds that no answer takes, however busy the machine


@dataclass(frozen=True)
class RawAnswer:
    """An answer. `ended`: by its framing's own end, or by the connection's before it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: Literal["complete", "cut"]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json()["error"]

    @property
    def data(self) -> list[Any]:
        """The JSON of a stream's events."""
        lines = self.body.decode().replace("\r", "\n").split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


async def send_bytes(port: int, raw: bytes) -> bytes:
    """All that comes back until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.close()


async def ask(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> RawAnswer:
    """One request on a connection of its own."""
    lines = {"host": "harbor", "connection": "close", **headers}
    if body is not None:
        lines["content-length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    raw = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")
    return read_answer(await send_bytes(port, raw), bodiless=method == "HEAD")


def read_answer(raw: bytes, *, bodiless: bool = False) -> RawAnswer:
    head, _, rest = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name not in headers, f"{name} stands twice in the answer"
        headers[name] = value
    complete, body = (True, b"") if bodiless else _content(headers, rest)
    return RawAnswer(int(status.split(" ")[1]), headers, body, "complete" if complete else "cut")


def _content(headers: Mapping[str, str], rest: bytes) -> tuple[bool, bytes]:
    if "transfer-encoding" not in headers:
        return len(rest) == int(headers.get("content-length", 0)), rest
    content = b""
    while rest:
        size, _, after = rest.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return True, content
        content += after[:count]
        rest = after[count + 2 :]
    return False, content
