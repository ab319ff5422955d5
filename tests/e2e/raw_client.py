"""A client that shows what came over the socket and how it ended, and can hang up at any moment."""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
PATHS = (CHAT, MESSAGES)
RESPONSES = "/v1/responses"
GEMINI = "/v1beta/models/sim:generateContent"
GEMINI_STREAM = "/v1beta/models/sim:streamGenerateContent?alt=sse"

Ending = Literal["complete", "failed", "cut", "left"]


@dataclass(frozen=True)
class ClientRequest:
    """One request. `leave_bytes`, `leave_seconds`: hang up after just so much of the answer, however much of it comes
    at once, or so long after asking. `pause_seconds`: between two reads, of who reads slowly.
    """

    path: str
    key: str
    body: bytes
    name: str = ""  # goes along as x-request-id
    leave_bytes: int | None = None
    leave_seconds: float | None = None
    pause_seconds: float = 0
    content_type: str = "application/json"

    @functools.cached_property
    def stream(self) -> bool:
        return self.path == GEMINI_STREAM or bool(json.loads(self.body).get("stream"))


@dataclass
class ClientAnswer:
    """An answer as far as it came; it grows while it is read."""

    question: ClientRequest
    raw: bytes = b""
    closed: bool = False  # by the server, or the framing's end came
    left: bool = False  # by us, before that
    pieces: list[tuple[float, int]] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        return int(self.raw.split(b" ", 2)[1]) if b"\r\n" in self.raw else None

    @property
    def headers(self) -> dict[str, str]:
        head, end, _ = self.raw.partition(b"\r\n\r\n")
        if not end:
            return {}
        return dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])

    @property
    def body(self) -> bytes:
        """Without the framing."""
        return self._framing()[0]

    @property
    def whole(self) -> bool:
        """Whether the framing's own end has come."""
        return self._framing()[1]

    @property
    def id(self) -> str:
        return self.headers.get("x-request-id", "")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each event that came whole: JSON, or the text that is none."""
        return list(_events(self.body))

    @property
    def error(self) -> dict[str, Any] | None:
        """What the dialect's error says, wherever it came."""
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            if self.status is None or self.status == 200 or not self.whole:
                return None
            error: dict[str, Any] = self.json()["error"]
            return error
        said = [_error(event) for event in self.events if isinstance(event, dict)]
        return next(filter(None, said), None)

    @property
    def has_ending(self) -> bool:
        """Whether a client would call this answer complete: any part of its ending."""
        if not self.question.stream:
            return self.whole and self.status == 200
        return any(_is_ending(event) for event in self.events)

    @property
    def how(self) -> Ending:
        if self.error is not None:
            return "failed"
        if self.whole and self.has_ending and (not self.question.stream or _is_last(self.events[-1])):
            return "complete"
        return "left" if self.left else "cut"

    @property
    def text_bytes(self) -> int:
        """Text, reasoning, refusals and arguments in UTF-8, of what came whole."""
        if self.question.stream:
            return sum(_said(event) for event in self.events if isinstance(event, dict))
        return _said(self.json()) if self.whole and self.status == 200 else 0

    @property
    def cost(self) -> str | None:
        """What `usage.cost` says, as it stands there."""
        parsed = self.events if self.question.stream else [json.loads(self.body, parse_float=str)]
        costs = [event["usage"]["cost"] for event in parsed if isinstance(event, dict) and _has_cost(event)]
        return str(costs[-1]) if costs else None

    def _framing(self) -> tuple[bytes, bool]:
        _, end, rest = self.raw.partition(b"\r\n\r\n")
        if not end:
            return b"", False
        length = self.headers.get("content-length")
        if length is not None:
            return rest, len(rest) == int(length)
        return _unchunk(rest)


async def ask(url: str, question: ClientRequest, heard: ClientAnswer | None = None) -> ClientAnswer:
    """Ask on a connection of its own and read on to the end, or until it is time to leave."""
    heard = ClientAnswer(question) if heard is None else heard
    try:
        async with asyncio.timeout(question.leave_seconds):
            await _converse(url, heard)
    except TimeoutError:
        heard.left = not heard.whole
    return heard


async def get(url: str, path: str, key: str | None = None) -> ClientAnswer:
    heard = ClientAnswer(ClientRequest(path, key or "", b"{}"))
    lines = f"authorization: Bearer {key}\r\n" if key else ""
    async with _connected(url) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{lines}\r\n".encode())
        await _read(reader, heard)
    return heard


async def read(url: str, path: str, key: str) -> Any:
    """The JSON of a 200."""
    heard = await get(url, path, key)
    assert heard.status == 200, heard.raw
    return heard.json()


def question(path: str, key: str, text: str = "hello", *, model: str = "sim", **more: Any) -> ClientRequest:
    """A plain request, answered anew each time; Anthropic's dialect must have a maximum."""
    body: dict[str, Any] = {"model": model, "temperature": 0.25, "messages": [{"role": "user", "content": text}]}
    if path == MESSAGES:
        body["max_tokens"] = 1000
    return ClientRequest(path, key, json.dumps(body | more).encode())


async def until(happened: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what is bound to happen."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110  what is looked at has no event
            await asyncio.sleep(0.02)


async def soon(holds: Callable[[], Awaitable[object]]) -> None:
    """It becomes true within the second that a change may take, and some more for a busy machine."""
    async with asyncio.timeout(5):
        while not await holds():  # noqa: ASYNC110  it is asked, it does not tell
            await asyncio.sleep(0.05)


async def _converse(url: str, heard: ClientAnswer) -> None:
    asked = heard.question
    async with _connected(url) as (reader, writer):
        writer.write(
            f"POST {asked.path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n"
            f"content-type: {asked.content_type}\r\n"
            f"authorization: Bearer {asked.key}\r\nx-request-id: {asked.name}\r\n"
            f"content-length: {len(asked.body)}\r\n\r\n".encode()
            + asked.body
        )
        await _read(reader, heard)


async def _read(reader: asyncio.StreamReader, heard: ClientAnswer) -> None:
    enough = heard.question.leave_bytes
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_most(heard)):
            heard.raw += data
            heard.pieces.append((time.monotonic(), len(data)))
            if enough is not None and len(heard.body) >= enough and not heard.whole:
                heard.left = True
                return
            if heard.question.pause_seconds:
                await asyncio.sleep(heard.question.pause_seconds)
    heard.closed = True


def _most(heard: ClientAnswer) -> int:
    """So many bytes that who is about to leave does not read beyond the place where they do."""
    enough = heard.question.leave_bytes
    return 65536 if enough is None else max(1, enough - len(heard.body))


@contextlib.asynccontextmanager
async def _connected(url: str) -> Any:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _unchunk(rest: bytes) -> tuple[bytes, bool]:
    content = b""
    while rest:
        size, found, after = rest.partition(b"\r\n")
        if not found:
            break
        count = int(size, 16)
        if count == 0:
            return content, after == b"\r\n"
        content += after[:count]
        rest = after[count + 2 :]
    return content, False


def _events(body: bytes) -> Iterator[Any]:
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        for line in block.split(b"\n"):
            if line.startswith(b"data:"):
                data = line.removeprefix(b"data:").strip().decode()
                yield json.loads(data, parse_float=str) if data.startswith("{") else data


_ENDS_RESPONSE = ("response.completed", "response.incomplete")


def _error(event: dict[str, Any]) -> dict[str, Any] | None:
    said: dict[str, Any] | None = event.get("error") or (event if event.get("type") == "error" else None)
    return said


def _is_ending(event: Any) -> bool:
    if not isinstance(event, dict):
        return bool(event == "[DONE]")
    if event.get("type") in ("message_delta", "message_stop", *_ENDS_RESPONSE):
        return True
    return any(choice.get("finish_reason") for choice in event.get("choices", ())) or _ends_candidates(event)


def _is_last(event: Any) -> bool:
    if not isinstance(event, dict):
        return bool(event == "[DONE]")
    return event.get("type") in ("message_stop", *_ENDS_RESPONSE) or _ends_candidates(event)


def _ends_candidates(event: dict[str, Any]) -> bool:
    return any(candidate.get("finishReason") for candidate in event.get("candidates", ()))


def _has_cost(event: dict[str, Any]) -> bool:
    return isinstance(event.get("usage"), dict) and "cost" in event["usage"]


def _said(event: dict[str, Any]) -> int:
    """What of an event, or of a whole answer, was generated."""
    texts: list[Any] = []
    for choice in event.get("choices", ()):
        words = choice.get("delta") or choice.get("message") or {}
        texts += [words.get("content"), words.get("reasoning_content"), words.get("refusal")]
        texts += [call["function"].get("arguments") for call in words.get("tool_calls") or ()]
    delta = event.get("delta") or {}
    texts += [delta.get("text"), delta.get("thinking"), delta.get("partial_json")]
    for block in event.get("content") or ():
        texts += [block.get("text"), block.get("thinking")]
        texts += _arguments(block)
    return sum(len(text.encode()) for text in texts if isinstance(text, str))


def _arguments(block: dict[str, Any]) -> Sequence[str]:
    """A whole call's arguments, as compactly as the simulator writes them; of one that was cut short it says none, and
    a translation shows what came of them under a name of its own.
    """
    if block.get("type") != "tool_use" or not block["input"]:
        return ()
    if block["input"].keys() == {"_unreadable"}:
        return (block["input"]["_unreadable"],)
    return (json.dumps(block["input"], separators=(",", ":"), ensure_ascii=False),)
