"""Named queries: file and shape have the same names, or the program does not start."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tokenharbor.db.queries import parse_queries, read_queries

TEXT = """\
-- What a harbor keeps.

-- name: count_berths
-- How many berths a harbor has.
select count(*) from berth where harbor_id = $1;

-- name: free_berths
-- Those without a ship,
-- the widest first.
select id -- the berth's
from berth where ship_id is null order by width desc
"""


@dataclass(frozen=True)
class Queries:
    count_berths: str
    free_berths: str


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "quayside"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder


def test_each_query_reaches_from_its_name_to_the_next(package: Path) -> None:
    (package / "queries.sql").write_text(TEXT)
    queries = read_queries(Queries, "quayside")
    assert queries.count_berths.endswith("select count(*) from berth where harbor_id = $1;")
    assert queries.free_berths.endswith("order by width desc")
    assert "select id -- the berth's" in queries.free_berths


def test_a_file_and_a_shape_that_differ_are_refused(package: Path) -> None:
    (package / "queries.sql").write_text(TEXT.replace("free_berths", "taken_berths"))
    with pytest.raises(ValueError, match=r"\['free_berths', 'taken_berths'\]"):
        read_queries(Queries, "quayside")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "-- name: a\n-- Says so.\nselect 1\n-- name: a\n-- Says so.\nselect 2",
            "'a' is not a valid name, or exists twice",
        ),
        ("-- name: a b\n-- Says so.\nselect 1", "'a b' is not a valid name"),
        ("-- name: a\nselect 1", "a needs a sentence"),
        ("-- name: a\n-- Says so.\n", "a needs a sentence"),
        ("-- name: a\n-- Says so.\n-- select 1\n", "a needs a sentence"),
    ],
)
def test_a_careless_file_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_queries(text, "quayside/queries.sql")
