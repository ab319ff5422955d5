"""Sealed answers that all gateways of one database share, in Redis or Valkey."""

from tokenharbor.cache.redis_pipe import RedisPipe

_PREFIX = b"tokenharbor:answer:"


class RedisStore:
    """A `SharedStore` on a Redis server, which drops each value when it expires. To read a value takes the gateway's
    secret and the request that it answers.
    """

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe

    async def get(self, name: bytes) -> bytes | None:
        found = await self._pipe.get(_PREFIX + name)
        return found if isinstance(found, bytes) else None

    def set(self, name: bytes, sealed: bytes, seconds: int) -> None:
        self._pipe.set(_PREFIX + name, sealed, seconds)
