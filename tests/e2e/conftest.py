"""Fixtures for tests that use the product as its users do."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.harbor import Harbor, make_harbor, running_harbor
from tests.e2e.house import CONFIG, House
from tests.e2e.vendor import Vendor


@pytest.fixture(scope="session")
def gateway() -> Iterator[Harbor]:
    """One running server for the tests that leave it as it was."""
    with running_harbor() as harbor:
        yield harbor


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """One running server, likewise, with a vendor that waits when it is told to."""
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name, Vendor() as vendor:
        folder = Path(name)
        folder.chmod(0o755)
        harbor = make_harbor(folder, vendor.url, CONFIG)
        try:
            yield House(harbor, vendor, itertools.count(1))
        finally:
            vendor.open()
            harbor.stop()
