"""The dashboard's files, read once at start and served from memory; each page gets a fresh nonce."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from tokenharbor.console.authority import Right
from tokenharbor.console.context import context_of
from tokenharbor.console.site.assets import NO_ASSETS, SiteAssets, read_assets
from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.errors import NotFound
from tokenharbor.kernel.reasons import ErrorReason

SHORT_PATHS: Final[Mapping[str, str]] = {
    "/": "/dashboard/",
    "/topup": "/dashboard/billing/top-up",
    "/keys": "/dashboard/keys",
    "/operator": "/dashboard/operator",
}
"""Short addresses for people to type, and their targets."""

DASHBOARD: Final = "dashboard"
"""Key of the files in the application's state."""

_INDEX = "index.html"
_NONCE = "__CSP_NONCE__"  # its placeholder in the page
_NONCE_BYTES = 18
_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # the better one first
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SECURE: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_IMMUTABLE = "public, max-age=31536000, immutable"
_AN_HOUR = "public, max-age=3600"
_READ: Final = (HttpMethod.GET, HttpMethod.HEAD)


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file, and its compressed forms by content coding."""

    kind: str
    body: bytes
    coded: Mapping[str, bytes]
    immutable: bool  # its name has a hash of its content

    def answer(self, accepted: str) -> Response[bytes]:
        """Answer with the file in the best coding that the client accepts."""
        coding = next((each for each, _ in _CODINGS if each in self.coded and each in accepted), None)
        headers = {**_SECURE, "cache-control": _IMMUTABLE if self.immutable else _AN_HOUR, "vary": "accept-encoding"}
        if coding is not None:
            headers["content-encoding"] = coding
        body = self.body if coding is None else self.coded[coding]
        return Response(body, media_type=self.kind, headers=headers)


@dataclass(frozen=True, slots=True)
class DashboardFiles:
    """The page served at every address of the dashboard, and the files that it loads, by path."""

    page: str
    files: Mapping[str, PageFile]
    site: SiteAssets = NO_ASSETS  # files loaded by pages rendered on the server

    def answer_page(self, entropy: Entropy) -> Response[bytes]:
        nonce = base64.b64encode(entropy.bytes(_NONCE_BYTES)).decode()
        headers = {**_SECURE, "cache-control": "no-store", "content-security-policy": _POLICY.format(nonce=nonce)}
        body = self.page.replace(_NONCE, nonce).encode()
        return Response(body, media_type="text/html", headers=headers)


def read_dashboard(folder: Path) -> DashboardFiles | None:
    """Read the dashboard's files; return None if it is not built."""
    if not (folder / _INDEX).is_file():
        return None
    kinds = ((path, _TYPES.get(path.suffix)) for path in sorted(folder.rglob("*")))
    files = {path.relative_to(folder).as_posix(): _read(path, kind, folder) for path, kind in kinds if kind}
    return DashboardFiles((folder / _INDEX).read_text("utf-8"), files, read_assets(folder))


def _read(path: Path, kind: str, folder: Path) -> PageFile:
    forms = {coding: path.with_name(path.name + suffix) for coding, suffix in _CODINGS}
    coded = {coding: form.read_bytes() for coding, form in forms.items() if form.is_file()}
    return PageFile(kind, path.read_bytes(), coded, path.parent == folder / "assets")


@route(list(SHORT_PATHS), http_method=_READ, right=Right.ANYBODY, include_in_schema=False)
async def redirect_short_path(request: Request[Any, Any, Any]) -> Redirect:
    """Redirect from a short address to its page."""
    return Redirect(SHORT_PATHS[request.url.path.rstrip("/") or "/"], status_code=302)


@route(["/dashboard/", "/dashboard/{path:path}"], http_method=_READ, right=Right.ANYBODY, include_in_schema=False)
async def show_dashboard(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Serve a file of the dashboard, or its page."""
    name = str(request.path_params.get("path", "")).lstrip("/")
    dashboard: DashboardFiles | None = request.app.state[DASHBOARD]
    if dashboard is None:
        raise NotFound("The dashboard is not built: run `make setup` to build it.")
    if name in dashboard.files:
        return dashboard.files[name].answer(request.headers.get("accept-encoding", ""))
    if name.startswith("assets/"):
        raise NotFound("This file belongs to another version of the dashboard: reload the page.").because(
            ErrorReason.PAGE_OUTDATED
        )
    return dashboard.answer_page(context_of(request).world.entropy)


PAGE_ROUTES: Final[Sequence[HTTPRouteHandler]] = (redirect_short_path, show_dashboard)
