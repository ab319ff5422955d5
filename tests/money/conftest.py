"""The database of the money machine."""

from collections.abc import Iterator

import pytest
from tests.money.stage import Stage, running_stage


@pytest.fixture
def stage(postgres_url: str, migrated_template: str) -> Iterator[Stage]:
    with running_stage(postgres_url, migrated_template) as stage:
        yield stage
