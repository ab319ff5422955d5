"""Jobs over rows: a row that fails is logged and does not keep the job from the other rows."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import asyncpg
import structlog

from tokenharbor.db.errors import is_unavailable
from tokenharbor.kernel.errors import DatabaseUnavailable, reason_of

Row = TypeVar("Row")

_log = structlog.get_logger("jobs")


class EachRow:
    """One run of a job over rows; remembers the first failure."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._first: Exception | None = None

    async def do(self, rows: Iterable[Row], work: Callable[[Row], Awaitable[object]]) -> None:
        """Do the work for each row. Raises only if the database is unavailable, as it would be for the next row."""
        for row in rows:
            try:
                await work(row)
            except Exception as error:
                if concerns_all(error):
                    raise
                log_row_fault(self._job, row, error)
                self._first = self._first or error

    def end(self) -> None:
        """Raise the first failure, if any, so that the job's row records it and the job is tried again soon."""
        if self._first is not None:
            raise self._first


def log_row_fault(job: str, row: object, error: Exception) -> None:
    """Log the failure of a row: the job's row records only the first one."""
    _log.error("row_failed", job=job, row=str(row), reason=reason_of(error))


def concerns_all(error: Exception) -> bool:
    """Whether the database failed, so that the next row would fail as well. A statement's timeout does not count."""
    cause = error.__cause__ if isinstance(error, DatabaseUnavailable) and error.__cause__ is not None else error
    if isinstance(cause, asyncpg.QueryCanceledError):
        return False
    return isinstance(cause, DatabaseUnavailable) or is_unavailable(cause)
