"""A vendor that streams: model `drip-N-MS` sends N chunks, one every MS milliseconds. `python -m bench.drip PORT`."""

import asyncio
import re
import sys
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"drip-(\d+)-(\d+)"')
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_START = b'data: {"id":"chatcmpl-drip","object":"chat.completion.chunk","created":1763683200,"model":"drip",'


def _framed(*events: bytes) -> bytes:
    text = b"".join(event + b"\n\n" for event in events)
    return b"%x\r\n%s\r\n" % (len(text), text)


CHUNK = _framed(_START + b'"choices":[{"index":0,"delta":{"content":" harbor"},"logprobs":null,"finish_reason":null}]}')
_OPENING = _HEAD + _framed(
    _START + b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}'
)
_USAGE = b'"choices":[],"usage":{"prompt_tokens":412,"completion_tokens":%d,"total_tokens":%d}}'


def _ending(chunks: int) -> bytes:
    return (
        _framed(_START + b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}')
        + _framed(_START + _USAGE % (chunks, 412 + chunks))
        + _framed(b"data: [DONE]")
        + b"0\r\n\r\n"
    )


class Drip(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen = bytearray()
        self._left = self._chunks = 0
        self._seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        end = self._seen.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._seen, 0, end + 2)
        if length is None or len(self._seen) < end + 4 + int(length[1]):
            return
        model = _MODEL.search(bytes(self._seen), end)
        self._seen.clear()
        if model is None:
            self._out.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        self._chunks = self._left = int(model[1])
        self._seconds = int(model[2]) / 1_000
        self._out.write(_OPENING)
        self._next()

    def _next(self) -> None:
        if self._out.is_closing():
            return
        if self._left:
            self._left -= 1
            self._out.write(CHUNK)
            self._loop.call_later(self._seconds, self._next)
        else:
            self._out.write(_ending(self._chunks))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Drip, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
