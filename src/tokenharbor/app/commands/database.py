"""Decorators for commands that need a database session."""

import asyncio
import contextlib
import functools
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Concatenate, ParamSpec

import asyncpg
import structlog

from tokenharbor.app.commands.common import CommandResult, current_settings, show_result
from tokenharbor.app.session import CommandSession, open_session
from tokenharbor.db.errors import is_unavailable
from tokenharbor.kernel.errors import DatabaseUnavailable

P = ParamSpec("P")


def at_database(work: Callable[Concatenate[CommandSession, P], Awaitable[CommandResult]]) -> Callable[P, None]:
    """Run a command in a database session. It fails if HOME or the tables are missing, and creates nothing."""
    return _in_session(work, create_missing=False)


def making_database(work: Callable[Concatenate[CommandSession, P], Awaitable[CommandResult]]) -> Callable[P, None]:
    """Run a command in a database session. HOME, the root secret and the tables are created if missing."""
    return _in_session(work, create_missing=True)


def _in_session(
    work: Callable[Concatenate[CommandSession, P], Awaitable[CommandResult]], *, create_missing: bool
) -> Callable[P, None]:
    async def run(*args: P.args, **kwargs: P.kwargs) -> CommandResult:
        log_to_stderr()
        async with open_session(current_settings(), create_missing=create_missing) as session:
            return await work(session, *args, **kwargs)

    @functools.wraps(work)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        show_result(asyncio.run(run(*args, **kwargs)))

    return command


@contextlib.contextmanager
def changing(check_command: str) -> Iterator[None]:
    """Wrap a change that must not be made twice: if the connection is lost meanwhile, it may have been made.

    `check_command` is the command that shows whether it was. Raises DatabaseUnavailable.
    """
    try:
        yield
    except (DatabaseUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if not isinstance(error, DatabaseUnavailable) and not is_unavailable(error):
            raise
        raise DatabaseUnavailable(
            f"the database did not confirm the change ({error}), so it may have been made: "
            f"check with tokenharbor {check_command} before you repeat it"
        ) from error


def log_to_stderr() -> None:
    """Log errors to stderr: stdout is for the command's output."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
