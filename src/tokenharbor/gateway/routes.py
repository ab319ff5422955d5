"""The table of all served paths, which routing, refusals, the front page and the test of the docs use."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from tokenharbor.gateway.handlers import Bind, answers, chats, counts, reads
from tokenharbor.gateway.kinds.form import FormKind
from tokenharbor.gateway.kinds.json_media import JsonMediaKind
from tokenharbor.gateway.kinds.video import VideoKind
from tokenharbor.wire import DEFAULT_DIALECT, DIALECTS
from tokenharbor.wire.neutral.dialect import AnswerPath, CountPath, Dialect, ModelListPath
from tokenharbor.wire.surfaces import FORMS, SURFACES


class PathRoute(msgspec.Struct, frozen=True):
    """A method and a path. One `{name}` in the path matches any text, slashes and colons included.

    `group` is the heading under which the front page lists the path. `dialect` is the one whose clients call it, or
    None if several do. `public` paths are the data plane: browsers may call them from any origin.
    """

    method: str
    path: str
    bind: Bind
    group: str
    dialect: Dialect | None = None
    public: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def is_pattern(self) -> bool:
        return "{" in self.path


_MEDIA = "Media other than text"
_ACCOUNT = "Your account"
_MODELS = "Models, no key needed"
_SERVER = "Server"

_FORM_KINDS: Mapping[str, type[FormKind | VideoKind]] = {"videos": VideoKind}
"""The kinds of forms that are not a `FormKind`."""


def routes_of(dialects: Iterable[Dialect]) -> Iterator[PathRoute]:
    """Yield the routes of the dialects' own clients."""
    for dialect in dialects:
        row = partial(PathRoute, group=dialect.label, dialect=dialect)
        for path in dialect.paths:
            if isinstance(path, AnswerPath):
                yield row("POST", path.path, chats(dialect, path))
            elif isinstance(path, CountPath):
                yield row("POST", path.path, counts(dialect, path))
            elif isinstance(path, ModelListPath):
                yield row("GET", path.path, reads(lambda each: each.listing.models_of_dialect))
            else:
                yield row("GET", path.path, reads(lambda each: each.listing.model))


def _surface_routes() -> Iterator[PathRoute]:
    """Yield the routes for media: OpenAI's paths, under our version prefix."""
    for surface in SURFACES.values():
        kind = partial(JsonMediaKind, dialect=DEFAULT_DIALECT, surface=surface)
        yield PathRoute("POST", f"/v1{surface.path}", answers(kind), _MEDIA)
    for form in FORMS.values():
        form_kind = partial(_FORM_KINDS.get(form.name, FormKind), dialect=DEFAULT_DIALECT, surface=form)
        yield PathRoute("POST", f"/v1{form.path}", answers(form_kind), _MEDIA)


def _system_route(path: str, bind: Bind) -> PathRoute:
    return PathRoute("GET", path, bind, _SERVER, public=False)


def _key_routes(path: str, *methods: str) -> Iterator[PathRoute]:
    """Yield the routes of API keys, which the console serves. They are not public: pages of other origins may not call
    them.
    """
    for method in methods:
        yield PathRoute(method, path, lambda each: each.system.api_keys, _ACCOUNT, public=False)


ROUTES: tuple[PathRoute, ...] = (
    *routes_of(DIALECTS.values()),
    *_surface_routes(),
    PathRoute("GET", "/v1/videos/{id}", reads(lambda each: each.videos.read), _MEDIA),
    PathRoute("GET", "/v1/videos/{id}/content", reads(lambda each: each.videos.read_content), _MEDIA),
    PathRoute("GET", "/v1/account/balance", reads(lambda each: each.listing.balance), _ACCOUNT),
    PathRoute("GET", "/v1/key", reads(lambda each: each.key_state.key), _ACCOUNT),
    *_key_routes("/v1/keys", "GET", "POST"),
    *_key_routes("/v1/keys/{hash}", "GET", "PATCH", "DELETE"),
    PathRoute("GET", "/v1/credits", reads(lambda each: each.key_state.credits), _ACCOUNT),
    PathRoute("GET", "/v1/generation", reads(lambda each: each.key_state.generation), _ACCOUNT),
    PathRoute("GET", "/v1/activity", reads(lambda each: each.key_state.activity), _ACCOUNT),
    PathRoute("GET", "/v1/requests", reads(lambda each: each.listing.receipts), _ACCOUNT),
    PathRoute("GET", "/v1/requests/{id}", reads(lambda each: each.listing.receipt), _ACCOUNT),
    PathRoute("POST", "/v1/requests/{id}/report", reads(lambda each: each.reports.report), _ACCOUNT),
    PathRoute("GET", "/v1/models", reads(lambda each: each.listing.models), _MODELS),
    PathRoute("GET", "/v1/models/{model}", reads(lambda each: each.listing.model), _MODELS),
    _system_route("/", lambda each: each.system.front),
    _system_route("/docs", lambda each: each.system.docs),
    _system_route("/docs/", lambda each: each.system.docs),
    _system_route("/docs/{page}", lambda each: each.system.docs),
    _system_route("/healthz", lambda each: each.system.health),
    _system_route("/readyz", lambda each: each.system.readiness),
    _system_route("/metrics", lambda each: each.system.metrics),
    _system_route("/.well-known/tokenharbor-receipts.json", lambda each: each.system.receipt_keys),
    PathRoute("POST", "/api/webhooks/{processor}", lambda each: each.system.webhooks.serve, _SERVER, public=False),
)


def grouped_paths(routes: Iterable[PathRoute]) -> Mapping[str, Sequence[str]]:
    """Return the paths by heading, each once."""
    groups: dict[str, list[str]] = {}
    for route in routes:
        group = groups.setdefault(route.group, [])
        if route.path not in group and (route.path == "/" or not route.path.endswith("/")):
            group.append(route.path)
    return groups
