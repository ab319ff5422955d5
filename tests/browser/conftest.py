"""One server and one browser for each process of tests; a window for each visitor, and no fault in any of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.browser.chromium import running_chromium
from tests.browser.site import Person, Site, running_site
from tests.browser.visitor import Look, Visitor, new_visitor
from tests.dashboard.conftest import build_dashboard
from tests.postgres_server import create_database

expect.set_options(timeout=30_000)  # whoever tests at the same time may have the processors
Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="session")
def site(postgres_url: str) -> Iterator[Site]:
    build_dashboard()
    with running_site(create_database(postgres_url, "browser")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, site: Site) -> AsyncIterator[Visit]:
    """Opens a window: `await visit(person, phone=True)`; without a person nobody is signed in."""
    visitors: list[Visitor] = []

    async def open_window(
        person: Person | None = None, *, phone: bool = False, dark: bool = False, scripts: bool = True
    ) -> Visitor:
        visitors.append(await new_visitor(chromium, site, person, Look(phone=phone, dark=dark, scripts=scripts)))
        return visitors[-1]

    yield open_window
    faults = [fault for visitor in visitors for fault in visitor.watch.faults]
    for visitor in visitors:
        await visitor.page.context.close()
    assert not faults, faults
