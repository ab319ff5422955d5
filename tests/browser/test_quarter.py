"""The account of the screenshots: its books are right, and its pages open without a fault."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.quarter import Quarter, running_quarter
from tests.browser.screenshots import Photographer, shots
from tests.dashboard.conftest import build_dashboard
from tests.postgres_server import create_database

pytestmark = [pytest.mark.slow, pytest.mark.takes(60), pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def quarter(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    build_dashboard()
    folder: Path = tmp_path_factory.mktemp("quarter")
    with running_quarter(create_database(postgres_url, "quarter"), folder, pace=0.1) as running:
        yield running


async def test_its_books_verify_and_its_pages_open(quarter: Quarter, chromium: Browser) -> None:
    """One test, since the account takes half a minute to make, and tests are dealt out to several processes."""
    assert quarter.site.harbor.cli("ledger", "verify")["fault"] is None
    await _similar_questions_are_in_the_pictures(quarter, chromium)
    await _usage_has_tokens_and_savings_of_each_stage(quarter, chromium)
    await _its_pages_open_without_a_fault(quarter, chromium)


async def _similar_questions_are_in_the_pictures(quarter: Quarter, chromium: Browser) -> None:
    owner = quarter.owner
    trial = owner.send("GET", "/caching")["semantic"]
    assert (trial["state"], trial["compared"]) == ("on", 20)
    receipt = owner.send("GET", f"/requests/{quarter.ids['similar']}")
    assert (receipt["cache"], float(receipt["cost_usd"])) == ("semantic", 0)
    photographer = Photographer(chromium, quarter)
    async with photographer.window("desktop", "light", owner) as page:
        await photographer.open(page, "/")
        await expect(page.get_by_text(re.compile(r"similar \$0\.0[1-9]")).first).to_be_visible()
        await photographer.open(page, "/usage/requests")
        await expect(page.get_by_text("similar request, cached").first).to_be_visible()
        await photographer.open(page, f"/usage/requests/{quarter.ids['similar']}")
        await expect(page.get_by_text("similar request, cached").first).to_be_visible()
    assert not photographer.faults, photographer.faults


async def _usage_has_tokens_and_savings_of_each_stage(quarter: Quarter, chromium: Browser) -> None:
    stages = quarter.owner.send("GET", "/usage/stages?by=stage")
    assert all(each["input_tokens"] > 0 and each["output_tokens"] > 0 for each in stages), stages
    photographer = Photographer(chromium, quarter)
    async with photographer.window("desktop", "light", quarter.owner) as page:
        await photographer.open(page, "/usage?by=stage")
        table = page.get_by_role("table", name="Stage")
        await expect(table.get_by_role("columnheader")).to_have_text(
            ["Stage", "Requests", "In", "Out", "Cost", "Savings", "Share"]
        )
        await expect(table.get_by_role("row")).to_have_count(1 + len(stages))
    assert not photographer.faults, photographer.faults


async def _its_pages_open_without_a_fault(quarter: Quarter, chromium: Browser) -> None:
    photographer = Photographer(chromium, quarter)
    people = {"owner": quarter.owner, "newcomer": quarter.newcomer(), "": None}
    with quarter.open_call():
        for who, person in people.items():
            async with photographer.window("phone", "dark", person) as page:
                for shot in (each for each in shots(quarter) if each.who == who):
                    await photographer.open(page, shot.path)
                    overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                    assert overflow <= 0, (shot.name, overflow)
    assert not photographer.faults, photographer.faults
