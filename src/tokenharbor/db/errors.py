"""What the driver says, in the house's words: away, or somebody's mistake."""

import contextlib
from collections.abc import Iterator

import asyncpg

from tokenharbor.kernel.errors import BooksAway, Misconfigured, Unavailable

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


def is_away(error: BaseException) -> bool:
    """Whether the database itself failed, not this statement: asking for something else would fail as well."""
    return isinstance(error, _AWAY) and not isinstance(error, ValueError)  # those are values that do not fit


@contextlib.contextmanager
def books_away() -> Iterator[None]:
    """Every error of the database that is not caught inside is a BooksAway."""
    try:
        yield
    except (asyncpg.PostgresError, *_AWAY) as error:
        raise BooksAway(in_one_line(error)) from error


@contextlib.contextmanager
def unavailable() -> Iterator[None]:
    """A database that is away is an Unavailable; a mistake in a statement stays what it is."""
    try:
        yield
    except (asyncpg.PostgresError, *_AWAY) as error:
        if not is_away(error):
            raise
        raise Unavailable("the database is away; try again in a moment", retry_after=1) from error


@contextlib.contextmanager
def opening() -> Iterator[None]:
    """While a connection is opened: what waiting cannot mend is Misconfigured, all else is BooksAway."""
    try:
        yield
    except _WRONG as error:
        raise Misconfigured(f"database.url: {in_one_line(error)}") from error
    except (asyncpg.PostgresError, *_AWAY) as error:
        raise BooksAway(f"the database cannot be reached: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
