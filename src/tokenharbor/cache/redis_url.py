"""The address of a Redis server, read from its URL."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tokenharbor.kernel.errors import Misconfigured

_PORT = 6379
_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server's address and credentials. `shown` is for logs, without the password."""

    host: str
    port: int
    path: str = ""  # of a unix socket
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    @property
    def shown(self) -> str:
        return self.path or f"{self.host}:{self.port}/{self.database}"

    def greeting(self) -> Iterator[bytes]:
        """Yield the commands that a connection begins with."""
        if self.password:
            yield command("AUTH", *([self.user] if self.user else []), self.password)
        if self.database:
            yield command("SELECT", str(self.database))
        yield command("PING")


def read_redis_url(url: str) -> RedisAddress:
    """Read `redis://[user:password@]host[:port][/database]`, `rediss://…` (TLS) or `unix://path`. Raises
    Misconfigured.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        database = int(parts.path.strip("/") or 0) if parts.scheme != "unix" else 0
    except ValueError:
        raise Misconfigured("[redis] url: port and database must be numbers") from None
    if parts.scheme not in _SCHEMES or not (parts.hostname or parts.scheme == "unix") or database < 0:
        raise Misconfigured("[redis] url must be redis://HOST:PORT/DATABASE, rediss://… or unix://PATH")
    return RedisAddress(
        host=parts.hostname or "",
        port=port,
        path=parts.path if parts.scheme == "unix" else "",
        tls=parts.scheme == "rediss",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
    )


def command(*words: str) -> bytes:
    said = [word.encode() for word in words]
    return b"*%d\r\n" % len(said) + b"".join([b"$%d\r\n%b\r\n" % (len(each), each) for each in said])
