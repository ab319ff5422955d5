"""Sealed answers that gateways of one database share, in Redis or Valkey."""

from tokenharbor.cache.redis_pipe import RedisPipe

_PREFIX = b"tokenharbor:answer:"


class RedisStore:
    """Fulfils `SharedStore`. The server forgets each value after its time; nothing there can be read without the
    request that it answers and the secret of the house.
    """

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe

    async def find(self, name: bytes) -> bytes | None:
        found = await self._pipe.find(_PREFIX + name)
        return found if isinstance(found, bytes) else None

    def keep(self, name: bytes, sealed: bytes, seconds: int) -> None:
        self._pipe.keep(_PREFIX + name, sealed, seconds)
