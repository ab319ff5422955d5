"""A job over rows: each row has its turn, the first failure is raised at the end, an unavailable database ends it."""

import asyncpg
import pytest
from structlog.testing import capture_logs

from tokenharbor.db.each_row import EachRow
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable


async def run(failures: dict[int, Exception]) -> tuple[list[int], Exception | None, list[str]]:
    """The rows that had their turn, the job's error at its end, and its log."""
    done: list[int] = []

    async def work(row: int) -> None:
        done.append(row)
        if row in failures:
            raise failures[row]

    each = EachRow("a job")
    with capture_logs() as logs:
        try:
            await each.do(range(3), work)
            await each.do([3], work)
            each.end()
        except Exception as error:  # noqa: BLE001  what it says is what is tested
            return done, error, [line["reason"] for line in logs]
    return done, None, [line["reason"] for line in logs]


async def test_each_row_has_its_turn_and_the_first_failure_is_told_at_the_end() -> None:
    first = BooksRefused("no such lot")
    assert await run({}) == ([0, 1, 2, 3], None, [])
    told = ["no such lot", "internal error: KeyError"]
    assert await run({0: first, 2: KeyError("secret")}) == ([0, 1, 2, 3], first, told)


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), asyncpg.ConnectionDoesNotExistError("x"), OSError("x")])
async def test_a_database_that_is_away_is_every_rows_fault(error: Exception) -> None:
    assert await run({1: error}) == ([0, 1], error, [])


async def test_a_statement_that_took_too_long_is_its_rows_fault() -> None:
    late = asyncpg.QueryCanceledError("statement timeout")
    wrapped = DatabaseUnavailable("statement timeout")
    wrapped.__cause__ = late
    for error in (late, wrapped):
        done, told, logged = await run({1: error})
        assert (done, told, len(logged)) == ([0, 1, 2, 3], error, 1)
