"""Retention: three forms, compared as days; unknown is the worst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.catalog.retention import keeps_no_longer, retention_days


@given(st.integers(min_value=0, max_value=10_000))
def test_retention_days_read_back(days: int) -> None:
    assert retention_days(f"days:{days}") == days
    assert retention_days("none") == 0


@pytest.mark.parametrize("text", ["", "days", "days:", "days:-1", "forever", "days:1.5", "days:²", "days:100000"])
def test_retention_that_is_none_of_the_three_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="none, days:N or training"):
        retention_days(text)


def test_who_trains_on_it_keeps_it_longest_and_who_does_not_say_is_taken_to() -> None:
    assert keeps_no_longer("days:99999", "training")
    assert not keeps_no_longer("training", "days:99999")
    assert not keeps_no_longer(None, "days:99999")
    assert keeps_no_longer(None, "training")
