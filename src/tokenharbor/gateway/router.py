"""The server's handler: finds the route of an exchange, and refuses unknown paths."""

from collections.abc import Awaitable, Sequence

from tokenharbor.gateway.answers import allow_line, options_head, write_refusal
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.handlers import Serve, make_handlers
from tokenharbor.gateway.path_table import PathTable
from tokenharbor.gateway.routes import ROUTES, PathRoute
from tokenharbor.gateway.system_paths import SystemPaths
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import MethodNotAllowed, NotFound, Overloaded, Refusal


class PathRouter:
    """Dispatches exchanges by the table of routes."""

    def __init__(self, dependencies: Dependencies, system: SystemPaths, routes: Sequence[PathRoute] = ROUTES) -> None:
        self._world = dependencies.world
        self.overload = dependencies.overload
        self.health = dependencies.health
        self.refusals = dependencies.refusals
        self.caching = dependencies.caching
        self._table = PathTable(routes)
        self._handlers = handlers = make_handlers(dependencies, system, self._table.dialect_of)
        self.videos = handlers.videos
        self.metrics = dependencies.metrics
        self._exact: dict[tuple[str, str], Serve] = {}
        self._named: dict[tuple[str, str], Serve] = {}
        for route in routes:
            serve, into = route.bind(handlers), self._named if route.is_pattern else self._exact
            into.update({(method, route.path): serve for method in route.methods})

    def __call__(self, exchange: Exchange) -> Awaitable[None]:
        if self.overload.refusing and exchange.method == "POST" and self.overload.still_refuses():
            return self._refuse_for_overload(exchange)
        serve = self._exact.get((exchange.method, exchange.path))
        return self._serve_other(exchange) if serve is None else serve(exchange)

    async def _refuse_for_overload(self, exchange: Exchange) -> None:
        """Refuse a POST at once, so that it costs little; other methods are still served."""
        exchange.respond(*self.refuse(exchange.path, Overloaded()))
        self.overload.note_refused(exchange)

    def _serve_other(self, exchange: Exchange) -> Awaitable[None]:
        method, path = exchange.method, exchange.path
        for route, name in self._table.named(path):
            serve = self._named.get((method, route.path))
            if serve is not None:
                return serve(exchange, name)
        return self._decline(exchange)

    async def _decline(self, exchange: Exchange) -> None:
        """Answer an exchange that has no route: by the console if it may serve the path, else with a refusal."""
        path, table, system = exchange.path, self._table, self._handlers.system
        at, public = table.at(path), table.is_public(path)
        if exchange.method == "OPTIONS" and (at or public):
            exchange.respond(204, options_head(self._new_id(), _allowed(at), public=public), b"")
        elif not at and not public and (system.console_takes(exchange) or table.nearest(path) is None):
            await system.serve_other(exchange)
        else:
            self._refuse(exchange, at)

    def _refuse(self, exchange: Exchange, at: Sequence[PathRoute]) -> None:
        path, table = exchange.path, self._table
        meant = None if at else table.nearest(path)
        call = Call(exchange, table.dialect_of(meant or path, exchange.header_map), self._world)
        try:
            call.read_query()
            refusal = self._refusal(exchange, meant, at)
        except Refusal as of_query:
            refusal = of_query
        exchange.respond(*write_refusal(call.dialect, call.request_id, refusal, _allow_lines(refusal, at)))

    def _refusal(self, exchange: Exchange, meant: str | None, at: Sequence[PathRoute]) -> Refusal:
        shown = exchange.path[:100]
        actions = self._table.actions(exchange.path) if exchange.method == "POST" else ()
        if actions:
            return NotFound(f"Unknown path {shown}. Models have the methods {', '.join(actions)}.")
        if at:
            return MethodNotAllowed(f"{shown} supports only {', '.join(_allowed(at))}.")
        if meant:
            return NotFound(
                f"Unknown path {shown}. Change the base URL of the client so that it requests {meant[:100]}."
            )
        return NotFound(f"Unknown path {shown}. GET / lists all paths.")

    def refuse(self, path: str, refusal: Refusal) -> tuple[int, bytes, bytes]:
        """Return status, head and body of a refusal that the server makes before a handler runs."""
        table = self._table
        return write_refusal(table.dialect_of(path), self._new_id(), refusal, _allow_lines(refusal, table.at(path)))

    def _new_id(self) -> str:
        return ids.show("req", self._world.ids.new())


def _allowed(at: Sequence[PathRoute]) -> list[str]:
    return [*dict.fromkeys(method for route in at for method in route.methods), "OPTIONS"]


def _allow_lines(refusal: Refusal, at: Sequence[PathRoute]) -> bytes:
    return allow_line(_allowed(at)) if isinstance(refusal, MethodNotAllowed) else b""
