"""A client that shows an answer's bytes on the socket, and how the connection ended."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Literal

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"


@dataclass(frozen=True)
class RawAnswer:
    """An answer; `ended`: the framing's end came, or the connection was closed or reset before it."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: Literal["complete", "closed", "reset"] = "closed"

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """Return the text of each event of a stream."""
        return [event for event in self.body.decode().split("\n\n") if event]

    @property
    def data(self) -> list[Any]:
        """Return the JSON of each event that has data."""
        lines = [line for event in self.events for line in event.split("\n") if line.startswith("data: {")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]


def body(path: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": "hello"}]
    asked = {"model": "m", "input" if path == RESPONSES else "messages": said, "stream": stream}
    if path == RESPONSES:
        return asked | {name: value for name, value in more.items() if name != "max_tokens"}
    if path == MESSAGES:
        asked["max_tokens"] = 1000
    elif stream:
        asked["stream_options"] = {"include_usage": True}
    return asked | more


async def ask(port: int, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> RawAnswer:
    """Send one request on a separate connection and read to its end."""
    return await post(port, path, json.dumps(body(path, **more)).encode(), headers)


async def post(port: int, path: str, data: bytes, headers: dict[str, str] | None = None) -> RawAnswer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request("POST", path, data, headers or {}))
        return await _read(reader)
    finally:
        await _close(writer)


async def get(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> RawAnswer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request(method, path, b"", headers or {}))
        return await _read(reader, bodiless=method == "HEAD")
    finally:
        await _close(writer)


async def ask_and_leave(port: int, path: str, until: bytes, **more: Any) -> None:
    """Disconnect once `until` has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request("POST", path, json.dumps(body(path, **more)).encode(), {}))
    if until:
        await reader.readuntil(until)
    else:
        await writer.drain()
    await _close(writer)


def _request(method: str, path: str, data: bytes, headers: dict[str, str]) -> bytes:
    lines = {"host": "test", "content-type": "application/json", "connection": "close", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}content-length: {len(data)}\r\n\r\n".encode() + data


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except ConnectionError:
        return


async def _read(reader: asyncio.StreamReader, *, bodiless: bool = False) -> RawAnswer:
    data, ended = await _drain(reader)
    head, _, rest = data.partition(b"\r\n\r\n")
    if not head:
        return RawAnswer(None, ended=ended)
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    complete, content = (True, b"") if bodiless else _content(headers, rest)
    return RawAnswer(int(status.split(" ")[1]), headers, content, "complete" if complete else ended)


async def _drain(reader: asyncio.StreamReader) -> tuple[bytes, Literal["closed", "reset"]]:
    data = b""
    try:
        while piece := await reader.read(65536):
            data += piece
    except ConnectionResetError:
        return data, "reset"
    return data, "closed"


def _content(headers: dict[str, str], rest: bytes) -> tuple[bool, bytes]:
    if "content-length" in headers:
        return len(rest) == int(headers["content-length"]), rest
    content = b""
    while rest:
        size, _, after = rest.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return True, content
        content += after[:count]
        rest = after[count + 2 :]
    return headers.get("transfer-encoding") is None, content
