"""The content security policy of every page of the console: no inline scripts."""

from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from tests.console.conftest import SITE, Office

from tokenharbor.console.app import ROUTES, make_app
from tokenharbor.console.pages import read_dashboard

PAGES = sorted(
    {
        path.replace("{path:path}", "usage/requests").replace(":str}", "}").replace("{", "").replace("}", "")
        for route in ROUTES
        for path in route.paths
        if "GET" in route.http_methods and not path.startswith("/api/")
    }
)


@pytest.mark.parametrize("path", [*PAGES, "/none", "/api/none", "/api/edition"])
async def test_no_page_runs_what_stands_in_it(office: Office, tmp_path: Path, path: str) -> None:
    (tmp_path / "index.html").write_text('<meta name="csp-nonce" content="__CSP_NONCE__" />')
    app = cast("Any", make_app(office.context, read_dashboard(tmp_path)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        said = await client.get(path)
        policy = dict(part.strip().partition(" ")[::2] for part in said.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy.get("script-src", "'self'") == "'self'"
        assert "unsafe" not in str(policy)
        assert said.headers["x-content-type-options"] == "nosniff"
