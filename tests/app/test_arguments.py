"""The parsing of commands' arguments."""

from datetime import UTC, datetime

import click
import pytest

from tokenharbor.app.commands.arguments import MOMENT


def test_a_moment_is_a_day_or_a_time_in_utc() -> None:
    assert MOMENT.convert("2026-03-01", None, None) == datetime(2026, 3, 1, tzinfo=UTC)
    assert MOMENT.convert("2026-03-01T01:00:00+02:00", None, None) == datetime(2026, 2, 28, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "\udcff",
        "2026-13-01",
        "0001-01-01",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "1969-12-31",
    ],
)
def test_what_is_no_moment_or_out_of_range_is_a_mistake_of_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        MOMENT.convert(text, None, None)
