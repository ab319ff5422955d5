"""Commands whose database connection is lost before a change is confirmed."""

import asyncpg
import pytest

from tokenharbor.app.commands.database import changing
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable


@pytest.mark.parametrize(
    "error",
    [asyncpg.ConnectionDoesNotExistError("lost"), ConnectionResetError(104, "reset"), DatabaseUnavailable("silent")],
)
def test_F3_a_change_that_was_not_confirmed_is_not_called_undone(error: Exception) -> None:
    with pytest.raises(DatabaseUnavailable, match="balance"), changing("balance acct_1"):
        raise error


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError("twice"), BooksRefused("no")])
def test_a_change_that_was_refused_stays_so(error: Exception) -> None:
    with pytest.raises(type(error)), changing("balance acct_1"):
        raise error
