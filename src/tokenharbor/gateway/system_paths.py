"""Paths beside the data plane: health, readiness, metrics, the front page, the docs, and the console."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from tokenharbor.gateway.call import presented_key
from tokenharbor.gateway.console import API, Console
from tokenharbor.gateway.metric_families import MetricFamily, write_metrics
from tokenharbor.gateway.pages import RenderedPage, SitePages
from tokenharbor.gateway.snapshot import CurrentSnapshot
from tokenharbor.gateway.webhooks import WebhookHandler
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import NotFound

_TEXT = b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
_CACHED = b"content-type: application/json\r\ncache-control: public, max-age=60\r\naccess-control-allow-origin: *\r\n"
_METRICS = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\ncache-control: no-store\r\n"
_PAGE = (
    "content-type: text/html; charset=utf-8\r\ncache-control: no-cache\r\nx-content-type-options: nosniff\r\n"
    "referrer-policy: no-referrer\r\ncontent-security-policy: {policy}; frame-ancestors 'none'\r\netag: {etag}\r\n"
)


_OF_PROXIES = frozenset(
    {b"forwarded", b"via", b"x-real-ip", b"true-client-ip", b"client-ip", b"x-client-ip", b"x-cluster-client-ip"}
    | {b"x-request-start", b"x-scheme", b"x-amzn-trace-id", b"x-azure-clientip", b"x-appengine-user-ip", b"cdn-loop"}
    | {
        b"x-nginx-proxy",
        b"front-end-https",
        b"wl-proxy-client-ip",
        b"proxy-client-ip",
        b"do-connecting-ip",
        b"x-varnish",
    }
    | {b"x-cloud-trace-context", b"x-coming-from", b"x-sendfile-type"}
    | {
        b"proxy-connection",
        b"x-proxyuser-ip",
        b"x-remote-ip",
        b"x-remote-addr",
        b"x-host",
        b"x-url-scheme",
        b"remote-addr",
    }
)
_BEGUN_BY_PROXIES = (b"x-forwarded", b"x-original-", b"x-envoy-", b"cf-", b"fly-", b"fastly-", b"x-vercel-", b"x-arr-")
"""Prefixes of headers that proxies add, and that direct clients of the metrics do not send."""


@dataclass(frozen=True, slots=True)
class SystemPaths:
    """Serves health, metrics, pages and receipt keys. `ready` returns whether the database answers. While no console
    shows pages, `/` is a plain page.
    """

    snapshots: CurrentSnapshot
    gather_metrics: Callable[[], Awaitable[Sequence[MetricFamily]]]
    ready: Callable[[], bool]
    metrics_token: str | None
    console: Console
    clock: Clock
    published_keys: Callable[[], Awaitable[bytes]]
    pages: SitePages
    webhooks: WebhookHandler

    def console_takes(self, exchange: Exchange) -> bool:
        """Return whether the console may serve a path that is not in the table. A POST outside its API is a client's
        mistake.
        """
        return self.console.enabled and (exchange.method != "POST" or exchange.path.startswith(API))

    async def serve_other(self, exchange: Exchange) -> None:
        """Serve a path that is not in the table: by the console, else as not found. Raises Unavailable while the
        console does not run, since only it knows whether the path exists.
        """
        if self.console.enabled:
            await self.console.serve(exchange)
        else:
            self._say_missing(exchange)

    async def api_keys(self, exchange: Exchange, _name: str = "") -> None:
        """Serve the API of keys. Raises NotFound without a console, Unavailable while it does not run."""
        if not self.console.enabled:
            raise NotFound(
                "This server has no console, so no API for keys. Create keys with `tokenharbor keys create`."
            )
        await self.console.serve(exchange)

    async def front(self, exchange: Exchange) -> None:
        if self.console.shows_pages:
            await self.console.serve(exchange)
        else:
            host = (exchange.header(b"host") or b"127.0.0.1:8080").decode("latin-1")
            _show(exchange, 200, self.pages.front(self.snapshots.current, host, self.clock.now()))

    async def docs(self, exchange: Exchange, name: str = "") -> None:
        page = await self.pages.doc(name)
        if page is None:
            self._say_missing(exchange)
        else:
            _show(exchange, 200, page)

    def _say_missing(self, exchange: Exchange) -> None:
        if b"text/html" in (exchange.header(b"accept") or b""):
            _show(exchange, 404, self.pages.missing())
        else:
            exchange.respond(404, _TEXT, b"Nothing is served here. Start at /.\n")

    async def health(self, exchange: Exchange) -> None:
        exchange.respond(200, _TEXT, b"ok\n")

    async def readiness(self, exchange: Exchange) -> None:
        ready = self.ready()
        exchange.respond(200 if ready else 503, _TEXT, b"ready\n" if ready else b"database unavailable\n")

    async def receipt_keys(self, exchange: Exchange) -> None:
        exchange.respond(200, _CACHED, await self.published_keys())

    async def metrics(self, exchange: Exchange) -> None:
        if self._may_see_metrics(exchange):
            exchange.respond(200, _METRICS, write_metrics(await self.gather_metrics()))
        else:
            exchange.respond(
                403, _TEXT, b"Metrics need a loopback address, or server.metrics_token as a Bearer token.\n"
            )

    def _may_see_metrics(self, exchange: Exchange) -> bool:
        presented = presented_key(exchange.header_map)
        if self.metrics_token is not None and presented is not None:
            return hmac.compare_digest(presented, self.metrics_token.encode())
        return _is_local(exchange)


def _show(exchange: Exchange, status: int, page: RenderedPage) -> None:
    """Send a page, or 304 to a browser that already has it."""
    etag = f'"{hashlib.sha256(page.body).hexdigest()[:24]}"'
    head = _PAGE.format(policy=page.policy, etag=etag).encode("ascii")
    known = exchange.header(b"if-none-match") or b""
    if status == 200 and etag.encode() in known:
        exchange.respond(304, head, b"")
    else:
        exchange.respond(status, head, page.body)


def _is_local(exchange: Exchange) -> bool:
    """Return whether a client on loopback sent the request. Headers that proxies add show an unknown proxy."""
    headers = exchange.header_map
    if any(name in _OF_PROXIES or name.startswith(_BEGUN_BY_PROXIES) for name in headers) and not (
        exchange.behind_proxy and b"x-forwarded-for" in headers
    ):
        return False
    try:
        return ip_address(exchange.peer).is_loopback
    except ValueError:
        return False
