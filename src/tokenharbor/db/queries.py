"""Named queries: SQL in a `.sql` file beside its store, read into a dataclass with a field for each.

    -- name: place_holds
    -- Places the holds of a batch in order, and returns which were placed.
    SELECT * FROM place_holds($1, $2)

A query extends from its name to the next one. Its comment is a sentence for readers of the file or `pg_stat_activity`.
"""  # fmt: skip

import dataclasses
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, ClassVar, Protocol, TypeVar

_NAME = re.compile(r"^-- name: *(.*?) *$", re.MULTILINE)


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


QueriesShape = TypeVar("QueriesShape", bound=_Dataclass)


def read_queries(shape: type[QueriesShape], package: str, file: str = "queries.sql") -> QueriesShape:
    """Return the queries of a package's file; `shape` is a dataclass with one `str` field for each.

    Raises ValueError if file and shape have different names, or a query has no comment or no SQL.
    """
    found = parse_queries(files(package).joinpath(file).read_text(encoding="utf-8"), f"{package}/{file}")
    wanted = {field.name for field in dataclasses.fields(shape)}
    if wanted != found.keys():
        raise ValueError(f"{package}/{file} and {shape.__name__} differ: {sorted(wanted ^ found.keys())}")
    return shape(**found)


def parse_queries(text: str, where: str) -> Mapping[str, str]:
    """Return the SQL of each query by name, with its comment."""
    _, *parts = _NAME.split(text)
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        sql = body.strip()
        if not name.isidentifier() or name in queries:
            raise ValueError(f"{where}: {name!r} is not a valid name, or exists twice")
        if not re.match(r"-- \S.*\n(\s*--.*\n)*\s*[^\s-]", sql):
            raise ValueError(f"{where}: {name} needs a sentence that says what it does, then SQL")
        queries[name] = sql
    return queries
