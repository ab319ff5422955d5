"""Tables of configuration: valid fields are read, and a fault is one line without the value."""

from typing import Literal

import msgspec
import pytest

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import did_you_mean, read_table


class Harbour(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    name: str
    berths: int = 1
    deep: bool | None = None
    depth: float = 1.5
    piers: list[str] = []
    from_: str = ""
    coast: Literal["west", "east"] = "west"


def test_a_table_that_fits_is_read() -> None:
    read = read_table(Harbour, {"name": "Bristol", "berths": 3, "depth": 2, "from": "west"}, "here")
    assert read == Harbour("Bristol", 3, None, 2.0, [], "west")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"name": "x", "birth": 1}, "here: unknown field 'birth'; did you mean 'berths'?"),
        ({"name": "x", "zzz": 1}, "here: unknown field 'zzz'; known are berths, coast, deep, depth, from, name, piers"),
        ({"name": "x", "from_": "y"}, "here: unknown field 'from_'; did you mean 'from'?"),
        ({}, "here: missing required field name"),
        ({"name": 5}, "here: name: expected a string, got an integer"),
        ({"name": "x", "berths": "2"}, "here: berths: expected an integer, got a string"),
        ({"name": "x", "berths": True}, "here: berths: expected an integer, got a boolean"),
        ({"name": "x", "deep": 1}, "here: deep: expected a boolean, got an integer"),
        ({"name": "x", "depth": []}, "here: depth: expected a float, got an array"),
        ({"name": "x", "piers": [1]}, "here: piers[0]: expected a string, got an integer"),
        ({"name": {}}, "here: name: expected a string, got a table"),
        ([], "here: expected a table, not an array"),
        (5.5, "here: expected a table, not a float"),
        (None, "here: expected a table, not a NoneType"),
    ],
)
def test_what_does_not_fit_is_one_line(table: object, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_table(Harbour, table, "here")
    assert str(caught.value) == says


@pytest.mark.parametrize("field", ["berths", "deep", "depth", "piers", "coast"])
def test_a_message_never_holds_the_value(field: str) -> None:
    with pytest.raises(Misconfigured, match=f"^here: {field}: ") as caught:
        read_table(Harbour, {"name": "x", field: "sk-secret"}, "here")
    assert "sk-secret" not in str(caught.value)


def test_with_nothing_known_there_is_nothing_to_mean() -> None:
    assert did_you_mean("x", ()) == "; known are none"
