"""Checks a Redis or Valkey server: whether it answers, and whether it writes its data to disk."""

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
    """An error that the server replied, in its own words."""


async def read_persistence(address: RedisAddress) -> Sequence[str]:
    """Return the settings to change so that the server does not write to disk; empty if it writes nothing. Raises
    OSError, TimeoutError, and RedisRefusal, also if the server does not allow CONFIG.
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
