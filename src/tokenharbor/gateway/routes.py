"""The paths of the data plane: which handler serves each, and how errors before any handler are written."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from tokenharbor.gateway.answers import preflight_head, write_refusal
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.counting import COUNTS, Counting
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.edge import Edge
from tokenharbor.gateway.kinds.chat import ChatKind
from tokenharbor.gateway.kinds.form import FormKind
from tokenharbor.gateway.kinds.json_media import JsonMediaKind
from tokenharbor.gateway.kinds.kind import AnyKind
from tokenharbor.gateway.kinds.video import VideoKind
from tokenharbor.gateway.listing import Listing
from tokenharbor.gateway.nearby import nearby
from tokenharbor.gateway.placed import DIALECT as PLACING
from tokenharbor.gateway.placed import METHODS, PREFIXES, read_placed
from tokenharbor.gateway.serve import Gateway
from tokenharbor.gateway.video_tasks import VideoTasks
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import MethodNotAllowed, NotFound, Refusal
from tokenharbor.wire import WIRES
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.surfaces import FORMS, SURFACES

ANSWERS: Mapping[str, str] = {
    "/v1/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
    "/v1/messages": "anthropic_messages",
}
"""Paths that are served with an answer, and the dialect each is in."""

MEDIA: Mapping[str, str] = {
    "/v1/embeddings": "embeddings",
    "/v1/images/generations": "images",
    "/v1/audio/speech": "speech",
    "/v1/rerank": "rerank",
    "/v1/audio/transcriptions": "transcriptions",
    "/v1/images/edits": "image_edits",
    "/v1/videos": "videos",
}
"""Paths that are served with something else than chat, and the surface of each."""

_DEFAULT_DIALECT = "openai_chat"
_MODELS = "/v1/models/"
_PLACERS_KEY = b"x-goog-api-key"  # the header of clients that ask for models there or under /v1beta, by their version


_PATHS = "GET / lists all paths."


def dialect_of(path: str, headers: Collection[bytes] = ()) -> Dialect:
    """The dialect in which a path's errors are said. Where clients of several read a path, headers (their names in
    lower case) that only one dialect knows tell which.
    """
    for served, name in ANSWERS.items():
        if path.startswith(served):
            return WIRES[name]
    if PLACING in WIRES and (path.startswith("/v1beta/") or read_placed(path) is not None):
        return WIRES[PLACING]
    if PLACING in WIRES and path.startswith(_MODELS) and _PLACERS_KEY in headers:
        return WIRES[PLACING]
    told = (dialect for dialect in WIRES.values() if not dialect.forwarded_headers.isdisjoint(headers))
    return next(told, WIRES[_DEFAULT_DIALECT])


class Routes:
    """The handler of the server."""

    def __init__(self, dependencies: Dependencies, edge: Edge) -> None:
        self._world = dependencies.world
        self._gateway = Gateway(dependencies)
        self._counting = Counting(dependencies)
        self._edge = edge
        listing = Listing(dependencies)
        errors = WIRES[_DEFAULT_DIALECT]
        self._kinds: Mapping[str, AnyKind] = {
            **{path: ChatKind(dependencies, WIRES[name]) for path, name in ANSWERS.items()},
            **{
                path: JsonMediaKind(dependencies, errors, SURFACES[name])
                for path, name in MEDIA.items()
                if name in SURFACES
            },
            **{path: FormKind(dependencies, errors, FORMS[name]) for path, name in MEDIA.items() if name in FORMS},
            "/v1/videos": VideoKind(dependencies, errors, FORMS["videos"]),
        }
        self._placing: AnyKind = ChatKind(dependencies, WIRES[PLACING])
        self._counts = {path: WIRES[name] for path, name in COUNTS.items()}
        self.videos = VideoTasks(dependencies)
        self._readings: Mapping[str, Callable[[Call], Awaitable[None]]] = {
            "/v1/models": listing.models,
            "/v1beta/models": listing.models_for_gemini,
            "/v1/account/balance": listing.balance,
            "/v1/requests": listing.receipts,
        }
        self._named: Mapping[str, Callable[[Call, str], Awaitable[None]]] = {
            "/v1/models/": listing.model,
            "/v1beta/models/": listing.model_for_gemini,
            "/v1/requests/": listing.receipt,
            "/v1/videos/": self.videos.read,
        }

    def __call__(self, exchange: Exchange) -> Awaitable[None]:
        kind = self._kinds.get(exchange.path)
        if kind is not None and exchange.method == "POST":
            return self._gateway.serve(exchange, kind)
        if exchange.path.startswith(("/v1/", "/v1beta/")):
            return self._post(exchange) if exchange.method == "POST" else self._read(exchange)
        if self._edge.serves(exchange) or self._nearby(exchange.path) is None:
            return self._edge.serve(exchange)
        return self._read(exchange)

    def _nearby(self, path: str) -> str | None:
        posted = (*self._kinds, *self._counts)
        return nearby(path, self._is_served, (*posted, *self._readings))

    def _is_served(self, path: str) -> bool:
        if path in self._kinds or path in self._counts or path in self._readings:
            return True
        return read_placed(path) is not None or self._named_by(path) is not None

    def _named_by(self, path: str) -> str | None:
        """What the path begins with, where a name follows."""
        return next((prefix for prefix in self._named if path.startswith(prefix) and path != prefix), None)

    def _post(self, exchange: Exchange) -> Awaitable[None]:
        """Counts, and what says the model in its path."""
        dialect = self._counts.get(exchange.path)
        if dialect is not None:
            return self._counting.serve(exchange, dialect)
        placed = read_placed(exchange.path) if PLACING in WIRES else None
        if placed is None:
            return self._read(exchange)
        if placed.counts:
            return self._counting.serve(exchange, WIRES[PLACING], placed.place)
        return self._gateway.serve(exchange, self._placing, placed.place)

    async def _read(self, exchange: Exchange) -> None:
        if exchange.method == "OPTIONS":
            exchange.respond(204, preflight_head(self._new_id()), b"")
            return
        path = exchange.path if self._is_served(exchange.path) else self._nearby(exchange.path) or exchange.path
        dialect = dialect_of(path, exchange.header_map)
        call = Call(exchange, dialect, self._world)
        try:
            call.read_query()
            await self._reading(exchange, call)
        except Refusal as refusal:
            exchange.respond(*write_refusal(call.dialect, call.request_id, refusal))

    async def _reading(self, exchange: Exchange, call: Call) -> None:
        path = exchange.path
        reading = self._readings.get(path)
        named = self._named_by(path)
        if reading is None and named is None:
            if path in self._kinds or path in self._counts:
                raise MethodNotAllowed(f"{path} supports only POST.")
            there = self._nearby(path)
            next_step = f"Change the base URL of the client so that it requests {there[:100]}." if there else _PATHS
            raise NotFound(f"Unknown path {path[:100]}. {next_step}")
        if exchange.method == "POST" and path.startswith(PREFIXES) and ":" in path:
            raise NotFound(f"Unknown path {path[:100]}. Models have the methods {METHODS}.")
        if exchange.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{path[:100]} supports only GET.")
        if reading is not None:
            await reading(call)
        elif named is not None:
            await self._named[named](call, path[len(named) :])

    def refuse(self, path: str, refusal: Refusal) -> tuple[int, bytes, bytes]:
        """Status, header lines and body for what the server refuses before a handler runs."""
        return write_refusal(dialect_of(path), self._new_id(), refusal)

    def _new_id(self) -> str:
        return ids.show("req", self._world.ids.new())
