"""A look at a Redis or Valkey server: whether it is there, and whether it writes what it holds to disk."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any

import hiredis

from tokenharbor.cache.redis_url import RedisAddress, command

_SECONDS = 3.0
_READ_BYTES = 64 << 10


class RedisRefusal(Exception):
    """The server's own words for why not."""


async def read_persistence(address: RedisAddress) -> Sequence[str]:
    """The settings that would keep it from writing to disk, as they should be; none where it writes nothing. Raises
    OSError, TimeoutError, RedisRefusal: also where it does not tell.
    """
    async with asyncio.timeout(_SECONDS):
        if address.path:
            reader, writer = await asyncio.open_unix_connection(address.path)
        else:
            context = ssl.create_default_context() if address.tls else None
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
        try:
            for greeting in address.greeting():
                await _ask(reader, writer, greeting)
            _, save = await _ask(reader, writer, command("CONFIG", "GET", "save"))
            _, appends = await _ask(reader, writer, command("CONFIG", "GET", "appendonly"))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    return [*(['save ""'] if save else []), *(["appendonly no"] if appends != b"no" else [])]


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes) -> Any:
    replies = hiredis.Reader()
    writer.write(said)
    while (reply := replies.gets()) is False:
        data = await reader.read(_READ_BYTES)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        replies.feed(data)
    if isinstance(reply, hiredis.ReplyError):
        raise RedisRefusal(str(reply))
    return reply
