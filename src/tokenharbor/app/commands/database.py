"""Commands that work in a session with the database."""

import asyncio
import functools
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec

import structlog

from tokenharbor.app.commands.common import Answer, say, settings
from tokenharbor.app.session import Session, open_session

P = ParamSpec("P")


def at_database(work: Callable[Concatenate[Session, P], Awaitable[Answer]]) -> Callable[P, None]:
    """A command that works in a session and says its answer."""

    @functools.wraps(work)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        say(asyncio.run(_run(work, *args, **kwargs)))

    return command


async def _run(work: Callable[Concatenate[Session, P], Awaitable[Answer]], *args: P.args, **kwargs: P.kwargs) -> Answer:
    log_to_stderr()
    async with open_session(settings()) as session:
        return await work(session, *args, **kwargs)


def log_to_stderr() -> None:
    """A command's stdout is its answer."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
