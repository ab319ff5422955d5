"""Connections to PostgreSQL: a single one, a pool, and one that reconnects."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import asyncpg
import msgspec
import structlog

from tokenharbor.db.address import show_address
from tokenharbor.db.errors import connect_errors
from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured

OLDEST = 15
"""The oldest supported major version of PostgreSQL."""

_CONNECT_SECONDS = 5
_GRACE_SECONDS = 1  # after the server's own timeout, until a statement without an answer fails here
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.5)
_JSONB_VERSION = b"\x01"


class Login(msgspec.Struct, frozen=True):
    """A role of the database and its password."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """The options of a connection. The server enforces the timeouts, in milliseconds. `login` replaces the URL's."""

    url: str
    application: str = "tokenharbor"
    statement_timeout_ms: int = 5_000
    lock_timeout_ms: int = 2_000
    login: Login | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The database's address, for messages."""
        return show_address(self.url)


async def connect(options: ConnectOptions) -> asyncpg.Connection:
    """Open a connection. `json` and `jsonb` values are bytes, which the reader decodes.

    Raises Misconfigured if the URL, the login or the version is wrong, DatabaseUnavailable if no server answers.
    """
    with connect_errors(options.address):
        conn = await asyncpg.connect(**_arguments(options))
        try:
            await _prepare(conn)
        except BaseException:
            conn.terminate()
            raise
    return conn


async def open_pool(options: ConnectOptions, *, size: int = 4) -> asyncpg.Pool:
    """Open a pool of up to `size` connections like those of `connect`, opened on demand and again when lost."""
    with connect_errors(options.address):
        # min_size=0: the task that keeps a minimum open would report its errors outside our log.
        pool = await asyncpg.create_pool(min_size=0, max_size=size, init=_prepare, **_arguments(options))
        try:
            async with pool.acquire():
                return pool
        except BaseException:
            pool.terminate()
            raise


def _arguments(options: ConnectOptions) -> dict[str, Any]:
    login = {} if options.login is None else msgspec.structs.asdict(options.login)
    return {
        **login,
        "dsn": options.url,
        "timeout": _CONNECT_SECONDS,
        "command_timeout": options.statement_timeout_ms / 1000 + _GRACE_SECONDS,
        "server_settings": {
            "application_name": options.application,
            "statement_timeout": str(options.statement_timeout_ms),
            "lock_timeout": str(options.lock_timeout_ms),
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
            "jit": "off",
        },
    }


async def _prepare(conn: asyncpg.Connection) -> None:
    version = conn.get_server_version()
    if version.major < OLDEST:
        raise Misconfigured(
            f"database.url: PostgreSQL {version.major}.{version.minor} is too old; use {OLDEST} or newer"
        )
    await conn.set_type_codec("jsonb", schema="pg_catalog", format="binary", encoder=_write_jsonb, decoder=_read_jsonb)
    await conn.set_type_codec("json", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)


def _write_jsonb(value: bytes) -> bytes:
    return _JSONB_VERSION + value


def _read_jsonb(value: bytes) -> bytes:
    return value[1:]


class ReconnectingConnection:
    """A connection that is opened again whenever it is lost, while the `async with` lasts.

    `greet` is awaited with each new connection before any other use of it. Entering raises as `connect` does; later
    failures to connect are retried with growing pauses.
    """

    def __init__(
        self, options: ConnectOptions, greet: Callable[[asyncpg.Connection], Awaitable[None]] | None = None
    ) -> None:
        self._options = options
        self._greet = greet
        self._log = structlog.get_logger()
        self._lost = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._reconnecting: asyncio.Task[None]

    @property
    def connection(self) -> asyncpg.Connection:
        """The present connection, for one user at a time. Raises DatabaseUnavailable while there is none."""
        connection = self._connection
        if connection is None or connection.is_closed():
            self._lost.set()  # a connection that dies during a call does not call its termination listener
            raise DatabaseUnavailable(f"database unavailable at {self._options.address}")
        return connection

    @property
    def is_up(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def __aenter__(self) -> Self:
        await self._open()
        self._reconnecting = asyncio.create_task(self._reconnect_when_lost())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reconnecting.cancel()
        await asyncio.gather(self._reconnecting, return_exceptions=True)
        if self._connection is not None:
            await close(self._connection)

    async def _open(self) -> None:
        connection = await connect(self._options)
        connection.add_termination_listener(self._on_lost)
        try:
            with connect_errors(self._options.address):
                if self._greet is not None:
                    await self._greet(connection)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    def _on_lost(self, _connection: asyncpg.Connection) -> None:
        self._lost.set()

    async def _reconnect_when_lost(self) -> None:
        while True:
            await self._lost.wait()
            if self.is_up:  # an earlier connection was lost
                self._lost.clear()
                continue
            self._connection = None
            self._log.warning("database_lost", application=self._options.application)
            await self._reopen()
            self._log.info("database_reconnected", application=self._options.application)

    async def _reopen(self) -> None:
        reason = ""
        for pause in itertools.chain(_PAUSES_SECONDS, itertools.repeat(_PAUSES_SECONDS[-1])):
            try:
                return await self._open()
            except (DatabaseUnavailable, Misconfigured) as error:
                if str(error) != reason:
                    reason = str(error)
                    self._log.warning("database_unavailable", application=self._options.application, reason=reason)
            await asyncio.sleep(pause)
        return None


async def close(connection: asyncpg.Connection) -> None:
    """Close a connection in any state."""
    try:
        await connection.close(timeout=_GRACE_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # unavailable, or still busy
        connection.terminate()
