"""The driver's errors as the house's: the database is unavailable, or a statement or setting is wrong."""

import contextlib
import re
from collections.abc import Iterator

import asyncpg

from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured, Unavailable

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, still starting, cancelled by statement_timeout
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that has become a standby
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,  # the connection is closed
    asyncpg.InternalClientError,  # the server broke off in mid-word
    OSError,  # TimeoutError is one
)
_WRONG = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
    asyncpg.UnsupportedClientFeatureError,
    ValueError,  # what the driver's parser of URLs raises
)

_LOGIN = re.compile(r'\b(user|role) "[^"]*"')


def is_unavailable(error: BaseException) -> bool:
    """Whether the database itself failed, not this statement: asking for something else would fail as well."""
    return isinstance(error, _AWAY) and not isinstance(error, ValueError)  # those are values that do not fit


@contextlib.contextmanager
def as_database_unavailable() -> Iterator[None]:
    """Every error of the database that is not caught inside is a DatabaseUnavailable."""
    try:
        yield
    except (asyncpg.PostgresError, *_AWAY) as error:
        raise DatabaseUnavailable(in_one_line(error)) from error


@contextlib.contextmanager
def as_unavailable_refusal() -> Iterator[None]:
    """A database that fails is an Unavailable for the caller; a mistake in a statement stays what it is."""
    try:
        yield
    except (asyncpg.PostgresError, *_AWAY) as error:
        if not is_unavailable(error):
            raise
        raise Unavailable("The database is unavailable: try again shortly.", retry_after=1) from error


@contextlib.contextmanager
def connect_errors(place: str) -> Iterator[None]:
    """While a connection to `place` is opened: what waiting cannot mend is Misconfigured, all else is
    DatabaseUnavailable.
    """
    try:
        yield
    except _WRONG as error:
        raise Misconfigured(f"database.url: {place}: {_without_login(error)}") from error
    except (asyncpg.PostgresError, *_AWAY) as error:
        raise DatabaseUnavailable(f"database unavailable at {place}: {_without_login(error)}") from error


@contextlib.contextmanager
def command_errors(place: str) -> Iterator[None]:
    """While a command uses its connection to `place`: a database that fails is a DatabaseUnavailable that names it."""
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
    """The error's text without a user's name, and without a URL's parts, which may be a password's."""
    text = in_one_line(error)
    if isinstance(error, ValueError) and ("@" in text or not isinstance(error, asyncpg.ClientConfigurationError)):
        return "not a URL of PostgreSQL; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX"
    return _LOGIN.sub(r"this \1", text)


def in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
