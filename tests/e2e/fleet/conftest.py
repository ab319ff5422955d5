"""Fixtures of fleets: gateways on one PostgreSQL, behind them a vendor that waits when it is told to."""

from collections.abc import Iterator

import pytest
from tests.e2e.fleet.gateways import running_fleet
from tests.e2e.fleet.rush import Rush
from tests.e2e.house import CONFIG
from tests.e2e.vendor import Vendor
from tests.postgres_server import create_database


@pytest.fixture(scope="session")
def rush(postgres_url: str) -> Iterator[Rush]:
    """One fleet for the tests of limits, each with accounts of its own."""
    database = create_database(postgres_url, "rush")
    with Vendor() as vendor, running_fleet(vendor=vendor.url, database=database, config=CONFIG) as fleet:
        try:
            yield Rush(fleet, vendor)
        finally:
            vendor.open()


@pytest.fixture(scope="session")
def at_length(pytestconfig: pytest.Config) -> bool:
    """Whether faults go on for as long as they should, or only as long as `make test` has time for."""
    return bool(pytestconfig.getoption("at_length"))


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """Of faults and traffic; a failing test shows it."""
    seed = int(pytestconfig.getoption("seed"))
    print(f"seed {seed}")
    return seed
