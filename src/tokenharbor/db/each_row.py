"""Jobs over rows: one row's fault is its own, so it is told and keeps no other row from the job."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import asyncpg
import structlog

from tokenharbor.db.errors import is_unavailable
from tokenharbor.kernel.errors import DatabaseUnavailable, reason_of

Row = TypeVar("Row")

_log = structlog.get_logger("jobs")


class EachRow:
    """The work of one run of a job."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._first: Exception | None = None

    async def do(self, rows: Iterable[Row], work: Callable[[Row], Awaitable[object]]) -> None:
        """Raises only if the database is unavailable, which the next row would find as well."""
        for row in rows:
            try:
                await work(row)
            except Exception as error:
                if concerns_all(error):
                    raise
                log_row_fault(self._job, row, error)
                self._first = self._first or error

    def end(self) -> None:
        """Raises the first failure: the job's row tells it, and it is tried again soon."""
        if self._first is not None:
            raise self._first


def log_row_fault(job: str, row: object, error: Exception) -> None:
    """What failed of one row is in the log, too: the job's own row tells of one at most."""
    _log.error("row_failed", job=job, row=str(row), reason=reason_of(error))


def concerns_all(error: Exception) -> bool:
    """Whether the database failed, so that the next row would fail as well; not one statement that took too long."""
    cause = error.__cause__ if isinstance(error, DatabaseUnavailable) and error.__cause__ is not None else error
    if isinstance(cause, asyncpg.QueryCanceledError):
        return False
    return isinstance(cause, DatabaseUnavailable) or is_unavailable(cause)
