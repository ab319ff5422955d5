"""A browser's window as one visitor has it, and what must not happen on any page of it."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    ViewportSize,
)
from tests.browser.site import Person, Site

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 375, "height": 812}

_OF_A_RESPONSE = "Failed to load resource: "  # which Watch sees itself


@dataclass
class Watch:
    """What went wrong on a page: errors on its console (of its policy too), failed requests, answers of refusal.

    `expected` are those that the test provokes, with * for any words: "401 GET /api/session".
    """

    found: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        patterns = [re.escape(each).replace(r"\*", ".*") for each in self.expected]
        return [fault for fault in self.found if not any(re.fullmatch(each, fault) for each in patterns)]

    def follow(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("dialog", self._asked)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_OF_A_RESPONSE):
            self.found.append(f"console: {message.text}")

    async def _asked(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _failed(self, request: Request) -> None:
        # A page that is left ends what it still reads, and its stream.
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"failed {request.method} {_path(request.url)}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{response.status} {response.request.method} {_path(response.url)}")


def _path(url: str) -> str:
    return re.sub(r"^\w+://[^/]+", "", url)


@dataclass(frozen=True)
class Look:
    """How a visitor's screen is, and whether their browser runs scripts."""

    phone: bool = False
    dark: bool = False
    scripts: bool = True


@dataclass
class Visitor:
    """A window of a person who is signed in, or of somebody who is not."""

    site: Site
    page: Page
    watch: Watch
    payer: str  # at processors: who has paid for another account is not matched

    async def open(self, path: str) -> Page:
        """A page of the dashboard, or a public one of the models."""
        folder = "" if path.startswith("/models") else "/dashboard"
        await self.page.goto(f"{self.site.url}{folder}{path}")
        return self.page

    async def shows_no(self, secrets: set[str]) -> None:
        """None of these in what the page is made of, nor in its address."""
        page = await self.page.content()
        for secret in secrets:
            assert secret not in page, f"{self.page.url} shows {secret!r}"
            assert secret not in self.page.url


async def new_visitor(browser: Browser, site: Site, person: Person | None, look: Look) -> Visitor:
    options: dict[str, Any] = {"is_mobile": True, "has_touch": True} if look.phone else {}
    context = await browser.new_context(
        viewport=PHONE if look.phone else DESKTOP,
        color_scheme="dark" if look.dark else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        java_script_enabled=look.scripts,
        extra_http_headers={"x-forwarded-for": site.new_address()},
        **options,
    )
    context.set_default_timeout(30_000)
    if person is not None:
        await add_session(context, site, person)
    page, watch = await context.new_page(), Watch()
    watch.follow(page)
    return Visitor(site, page, watch, f"payer{next(site.numbers)}")


async def add_session(context: BrowserContext, site: Site, person: Person) -> None:
    """The person is signed in there. To set the cookie of a safe place needs a safe address."""
    name, value = person.cookie
    cookie: Any = {"name": name, "value": value, "secure": True, "httpOnly": True}
    await context.add_cookies([cookie | {"url": site.url.replace("http:", "https:")}])


async def until(holds: Callable[[], bool]) -> None:
    """What no page shows by itself, asked for again and again."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.1)
