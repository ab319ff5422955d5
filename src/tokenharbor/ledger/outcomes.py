"""The meaning of a failed batch for its rows: refused by a rule, not done, or outcome unknown."""

import asyncpg

from tokenharbor.db.errors import in_one_line, is_unavailable
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Errors that the driver raises about the database or the connection."""

ROW_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)
"""Errors that the driver raises about rows, unless the database is unavailable. ValueError: a value out of range."""

_RULES = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.InterfaceError, ValueError)
_OWN_RULE = "TH001"


class OutcomeUnknown(DatabaseUnavailable):
    """The database got the batch and did not answer: the batch may have been committed."""


def as_books_error(error: Exception) -> Exception:
    """Return BooksRefused for a row that breaks a rule, else OutcomeUnknown or DatabaseUnavailable."""
    if _breaks_a_rule(error):
        ours: Exception = BooksRefused(in_one_line(error))
    else:
        ours = (OutcomeUnknown if is_unavailable(error) else DatabaseUnavailable)(in_one_line(error))
    ours.__cause__ = error
    return ours


def _breaks_a_rule(error: Exception) -> bool:
    if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
        return False  # the row's partition does not exist yet
    own = isinstance(error, asyncpg.PostgresError) and error.sqlstate == _OWN_RULE
    return own or (isinstance(error, _RULES) and not is_unavailable(error))
