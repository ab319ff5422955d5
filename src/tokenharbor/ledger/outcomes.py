"""What a failed batch means for its rows: refused, or the database's own trouble, done or not done."""

import asyncpg

from tokenharbor.db.errors import in_one_line, is_unavailable
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What the driver raises about the database or the connection."""

ROW_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)
"""What it raises about rows, unless the database is unavailable; ValueError is about a value that does not fit."""

_RULES = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.InterfaceError, ValueError)
_OWN_RULE = "TH001"


class OutcomeUnknown(DatabaseUnavailable):
    """The database was asked and did not answer: it may have been done."""


def as_books_error(error: Exception) -> Exception:
    """A row that breaks a rule is refused; whatever else the database says is its own trouble."""
    if _breaks_a_rule(error):
        ours: Exception = BooksRefused(in_one_line(error))
    else:
        ours = (OutcomeUnknown if is_unavailable(error) else DatabaseUnavailable)(in_one_line(error))
    ours.__cause__ = error
    return ours


def _breaks_a_rule(error: Exception) -> bool:
    if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
        return False  # there is no partition for the row yet
    own = isinstance(error, asyncpg.PostgresError) and error.sqlstate == _OWN_RULE
    return own or (isinstance(error, _RULES) and not is_unavailable(error))
