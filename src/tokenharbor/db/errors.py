"""The translation of the driver's errors: the database is unavailable, or a statement or setting is wrong."""

import contextlib
import re
from collections.abc import Iterator

import asyncpg

from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured, Unavailable

_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, still starting, cancelled by statement_timeout
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that has become a standby
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,  # the connection is closed
    asyncpg.InternalClientError,  # the server broke off in the middle of a message
    OSError,  # TimeoutError is one
)
_MISCONFIGURED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
    asyncpg.UnsupportedClientFeatureError,
    ValueError,  # from the driver's parser of URLs
)

_LOGIN = re.compile(r'\b(user|role) "[^"]*"')


def is_unavailable(error: BaseException) -> bool:
    """Whether the database itself failed, and not just this statement, so that any other would fail as well."""
    return isinstance(error, _UNAVAILABLE) and not isinstance(error, ValueError)  # a ValueError is a value out of range


@contextlib.contextmanager
def as_database_unavailable() -> Iterator[None]:
    """Raise every error of the database that is not caught inside as DatabaseUnavailable."""
    try:
        yield
    except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
        raise DatabaseUnavailable(in_one_line(error)) from error


@contextlib.contextmanager
def as_unavailable_refusal() -> Iterator[None]:
    """Raise a failure of the database as Unavailable, for the caller; a statement's own error passes unchanged."""
    try:
        yield
    except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
        if not is_unavailable(error):
            raise
        raise Unavailable("The database is unavailable: try again shortly.", retry_after=1) from error


@contextlib.contextmanager
def connect_errors(place: str) -> Iterator[None]:
    """Translate errors of opening a connection to `place`: Misconfigured if waiting cannot help, else
    DatabaseUnavailable.
    """
    try:
        yield
    except _MISCONFIGURED as error:
        raise Misconfigured(f"database.url: {place}: {_without_login(error)}") from error
    except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
        raise DatabaseUnavailable(f"database unavailable at {place}: {_without_login(error)}") from error


@contextlib.contextmanager
def command_errors(place: str) -> Iterator[None]:
    """Raise failures of the database at `place` as DatabaseUnavailable with its address, for commands."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError) as error:
        if not is_unavailable(error):
            raise
        raise DatabaseUnavailable(f"database unavailable at {place}: {_without_login(error)}") from error
    except DatabaseUnavailable as error:
        if place in str(error):
            raise
        raise DatabaseUnavailable(f"database unavailable at {place}: {_without_login(error)}") from error


def _without_login(error: BaseException) -> str:
    """Return the error's text without a user's name, and without parts of a URL, which may be of a password."""
    text = in_one_line(error)
    if isinstance(error, ValueError) and ("@" in text or not isinstance(error, asyncpg.ClientConfigurationError)):
        return "not a PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX"
    return _LOGIN.sub(r"this \1", text)


def in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
