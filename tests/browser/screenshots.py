"""Pictures of every page from the seeded account, light and dark, on a desktop and on a phone, into a folder."""

import argparse
import asyncio
import io
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, Page
from tests.browser.chromium import running_chromium
from tests.browser.quarter import NOW, Quarter, running_quarter
from tests.browser.site import Person
from tests.browser.visitor import Watch, add_session
from tests.dashboard.conftest import ROOT, build_dashboard
from tests.postgres_server import create_database, running_postgres

_COLOURS = 128
FOLDER = ROOT / "docs/screenshots"
SCREENS: Mapping[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}},
    "phone": {"viewport": {"width": 375, "height": 812}, "is_mobile": True, "has_touch": True},
}


@dataclass(frozen=True)
class Shot:
    """A page, as who sees it: "owner", "newcomer" (the first day) or "" (nobody has signed in)."""

    name: str
    path: str
    who: str = "owner"


def shots(quarter: Quarter) -> list[Shot]:
    """All of them; what is in {braces} is an id of the account's."""
    return [
        Shot(name, path.format(**{key.replace(" ", "_").lower(): each for key, each in quarter.ids.items()}), *who)
        for name, path, *who in _PAGES
    ]


_PAGES = (
    ("sign-up", "/sign-up", ""),
    ("sign-in", "/sign-in", ""),
    ("models", "//models", ""),
    ("model", "//models/claude-sonnet-5-5", ""),
    ("first-day", "/", "newcomer"),
    ("home", "/"),
    ("usage", "/usage?range=90d"),
    ("requests", "/usage/requests"),
    ("receipt", "/usage/requests/{receipt}"),
    ("receipt-of-a-hit", "/usage/requests/{hit}"),
    ("receipt-of-a-similar-hit", "/usage/requests/{similar}"),
    ("receipt-of-a-stage", "/usage/requests/{staged}"),
    ("sessions", "/usage/sessions"),
    ("session", "/usage/sessions/{session}"),
    ("billing", "/billing"),
    ("top-up", "/billing/top-up"),
    ("ledger", "/billing/ledger"),
    ("top-ups", "/billing/top-ups"),
    ("top-up-result", "/billing/top-ups/{card}"),
    ("refund", "/billing/top-ups/{card}/refund"),
    ("auto-top-up", "/billing/auto-top-up"),
    ("budgets", "/billing/budgets"),
    ("withdrawals", "/billing/withdrawals"),
    ("statements", "/billing/statements"),
    ("rewards", "/rewards"),
    ("keys", "/keys"),
    ("new-key", "/keys/new"),
    ("key", "/keys/{support_bot}"),
    ("connect", "/connect"),
    ("settings", "/settings"),
    ("security", "/settings/security"),
    ("team", "/settings/team"),
    ("management-keys", "/settings/management-keys"),
    ("alerts", "/settings/alerts"),
    ("free-models", "/settings/free-models"),
    ("caches", "/settings/caches"),
    ("audit", "/settings/audit"),
)


class Photographer:
    """Opens pages as they are seen, and waits until they stand still."""

    def __init__(self, browser: Browser, quarter: Quarter) -> None:
        self._browser = browser
        self._quarter = quarter
        self.faults: list[str] = []

    @asynccontextmanager
    async def window(
        self, screen: str, scheme: str, person: Person | None, locale: str = "en-GB"
    ) -> AsyncIterator[Page]:
        site = self._quarter.site
        context = await self._browser.new_context(
            **SCREENS[screen],
            color_scheme=scheme,  # type: ignore[arg-type]
            locale=locale,
            timezone_id="UTC",
            reduced_motion="reduce",
            extra_http_headers={"x-forwarded-for": site.new_address()},
        )
        if person is not None:
            await add_session(context, site, person)
        watch = Watch()
        page = await context.new_page()
        watch.follow(page)
        await page.clock.set_fixed_time(NOW)
        try:
            yield page
        finally:
            self.faults += watch.faults
            await context.close()

    async def open(self, page: Page, path: str) -> None:
        """`path` is of the dashboard; with two slashes it is a page beside it."""
        below = path[1:] if path.startswith("//") else f"/dashboard{path}"
        await page.goto(f"{self._quarter.site.url}{below}")
        await page.locator("main, [role=main], form").first.wait_for()
        for _ in range(2):  # what is asked for by what has come
            await page.wait_for_function("!document.querySelector('[aria-busy=true]')")
            await page.wait_for_timeout(350)
        await page.evaluate("document.fonts.ready")


async def take(quarter: Quarter, folder: Path, *, whole: bool, locale: str, only: str) -> list[str]:
    newcomer = quarter.newcomer()
    people = {"owner": quarter.owner, "newcomer": newcomer, "": None}
    async with running_chromium() as browser:
        photographer = Photographer(browser, quarter)
        for screen in SCREENS:
            for scheme in ("light", "dark"):
                for shot in shots(quarter):
                    if only and only not in shot.name:
                        continue
                    async with photographer.window(screen, scheme, people[shot.who], locale) as page:
                        await photographer.open(page, shot.path)
                        picture = await page.screenshot(full_page=whole)
                        _write(picture, folder / f"{shot.name}-{scheme}-{screen}.png")
        return photographer.faults


def _write(picture: bytes, path: Path) -> None:
    """In few colours, of which the rare ones are not lost: a third of the bytes."""
    with Image.open(io.BytesIO(picture)) as image:
        few = image.convert("RGB").quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=FOLDER)
    parser.add_argument("--whole", action="store_true", help="the whole page, not what a screen shows of it")
    parser.add_argument("--locale", default="en-GB")
    parser.add_argument("--only", default="", help="pages with this in their name")
    options = parser.parse_args()
    build_dashboard()
    with running_postgres() as server, tempfile.TemporaryDirectory(prefix="th-quarter-") as name:
        Path(name).chmod(0o755)
        with running_quarter(create_database(server.url, "quarter"), Path(name)) as quarter:
            options.into.mkdir(parents=True, exist_ok=True)
            with quarter.open_call():
                faults = asyncio.run(
                    take(quarter, options.into, whole=options.whole, locale=options.locale, only=options.only)
                )
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
