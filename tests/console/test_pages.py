"""The dashboard's files and pages."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from tests.console.conftest import SITE, Office

from tokenharbor.console.app import make_app
from tokenharbor.console.pages import read_dashboard

PAGE = '<!doctype html><meta name="csp-nonce" content="__CSP_NONCE__" /><div id="root"></div>'
SCRIPT = b"console.log('harbor');" * 40


@pytest.fixture
async def site(office: Office, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A console with a built dashboard."""
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / ".made").write_text("x")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (assets / "index-AbC.js").write_bytes(SCRIPT)
    (assets / "index-AbC.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "index-AbC.js.br").write_bytes(b"as brotli")
    app = make_app(office.context, read_dashboard(tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url=SITE) as client:
        yield client


async def test_every_address_of_the_dashboard_is_its_page_with_a_nonce_of_its_own(site: httpx.AsyncClient) -> None:
    nonces = set()
    for path in ("/dashboard", "/dashboard/", "/dashboard/usage/req_1", "/dashboard/.made"):
        said = await site.get(path)
        policy = said.headers["content-security-policy"]
        nonce = re.search(r"style-src 'self' 'nonce-([^']+)'", policy)
        assert nonce is not None
        assert (said.status_code, f'content="{nonce[1]}"' in said.text) == (200, True), path
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy
        assert said.headers["cache-control"] == "no-store"
        nonces.add(nonce[1])
    assert len(nonces) == 4


async def test_assets_are_compressed_and_last(site: httpx.AsyncClient) -> None:
    path = "/dashboard/assets/index-AbC.js"
    for accepted, coding in (("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)):
        async with site.stream("GET", path, headers={"accept-encoding": accepted}) as said:
            assert said.headers.get("content-encoding") == coding
            assert said.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert said.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (await site.get(path, headers={"accept-encoding": "gzip"})).content == SCRIPT
    icon = await site.get("/dashboard/favicon.svg")
    assert (icon.status_code, "immutable" in icon.headers["cache-control"]) == (200, False)
    assert (await site.head(path)).status_code == 200


async def test_a_file_that_is_gone_is_a_404_and_no_page(site: httpx.AsyncClient) -> None:
    said = await site.get("/dashboard/assets/index-Old.js")
    assert (said.status_code, said.json()["error"]["code"]) == (404, "not_found")
    for path in ("/dashboard/assets/../../etc/passwd", "/dashboard/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd"):
        assert b"root:" not in (await site.get(path)).content, path


async def test_short_addresses_lead_to_their_pages_and_nowhere_else(site: httpx.AsyncClient) -> None:
    for path, leads in (
        ("/", "/dashboard/"),
        ("/topup/", "/dashboard/billing/top-up"),
        ("/topup", "/dashboard/billing/top-up"),
        ("/operator", "/dashboard/operator"),
        ("/keys?next=https://evil.example", "/dashboard/keys"),
    ):
        said = await site.get(path)
        assert (said.status_code, said.headers["location"]) == (302, leads), path


async def test_without_a_dashboard_its_addresses_say_so(office: Office) -> None:
    said = await office.anybody.get("/dashboard/")
    assert (said.status_code, said.json()["error"]["code"]) == (404, "not_found")
