"""The pages of models: the list, and a page for each."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from tokenharbor.console.authority import Right
from tokenharbor.console.context import ConsoleContext, context_of
from tokenharbor.console.site.assets import SiteAssets
from tokenharbor.console.site.cards import ModelCard, pick
from tokenharbor.console.site.commands import NO_KEY, read_clients
from tokenharbor.console.site.model_page import answered_shares, price_tables
from tokenharbor.console.site.query import CONTEXTS, INPUT_PRICES, NO_QUERY, SORTS, USUAL_CALL, ModelQuery, read_query
from tokenharbor.console.site.reader import SiteReader, reader_of
from tokenharbor.console.site.render import PageRenderer, SitePage, model_path
from tokenharbor.console.site.view import ANSWERED_DAYS, SaleView, view_sale

AnyRequest = Request[Any, Any, Any]

SITE: Final = "site"
"""The name of the pages in the application's state."""

_READ: Final = (HttpMethod.GET, HttpMethod.HEAD)
_MOST_PARAMETERS: Final = 60
_MOST_NAME: Final = 200


class ModelSite:
    """The pages of models, each made once for those who see the same."""

    def __init__(self, assets: SiteAssets) -> None:
        self._renderer = PageRenderer(assets)
        self._clients = read_clients()
        self._view: SaleView | None = None

    async def view(self, context: ConsoleContext) -> SaleView:
        view = self._view
        if view is None or not view.is_of(context):
            view = self._view = await view_sale(context, view)
            self._renderer.forget()
        return view

    def list(self, view: SaleView, context: ConsoleContext, reader: SiteReader, query: ModelQuery) -> SitePage:
        def values() -> Mapping[str, Any]:
            known = (view.cards.get(name) for name in query.compared)
            return {
                **_frame(view, context, "/models", query),
                "cards": pick(view.cards.values(), query),
                "compared": [card for card in known if card is not None],
                "total": len(view.cards),
                "choices": view.choices,
                "contexts": CONTEXTS,
                "prices": INPUT_PRICES,
                "sorts": SORTS,
                "usual_call": USUAL_CALL,
                "pool_name": view.policy.orchestra.name,
                "pools": _pools(view),
            }

        return self._renderer.page(("list", query), reader, "models.html", values)

    def model(
        self, view: SaleView, context: ConsoleContext, reader: SiteReader, card: ModelCard, query: ModelQuery
    ) -> SitePage:
        def values() -> Mapping[str, Any]:
            origin = context.sign_in.public_url
            clients = [each for each in self._clients if each.surface in card.model.surfaces]
            return {
                **_frame(view, context, model_path(card.id), query),
                "card": card,
                "tables": price_tables(card, view.changes),
                "answered": answered_shares(card, view.answers),
                "answered_days": ANSWERED_DAYS,
                "costs": card.costs(query.call),
                "commands": [(each, each.filled(origin, card.id)) for each in clients],
                "key_variable": NO_KEY,
                "free": view.policy.free,
            }

        return self._renderer.page(("model", card.id, query), reader, "model.html", values)

    def missing(self, view: SaleView, context: ConsoleContext, reader: SiteReader, name: str) -> SitePage:
        def values() -> Mapping[str, Any]:
            near = [view.cards[each] for each in view.index.nearest(name) if each in view.cards]
            return {**_frame(view, context, "/models", NO_QUERY), "status": 404, "name": name, "near": near}

        return self._renderer.page(("missing", name), reader, "missing.html", values)


def _pools(view: SaleView) -> Sequence[tuple[str, Sequence[ModelCard]]]:
    """The models on sale of each stage, behind the name that stands for many."""
    pools = view.policy.orchestra.pools().items()
    found = ((stage, [view.cards[name] for name in pool if name in view.cards]) for stage, pool in pools)
    return [(stage, cards) for stage, cards in found if cards]


def _frame(view: SaleView, context: ConsoleContext, path: str, query: ModelQuery) -> Mapping[str, Any]:
    """What every page's frame needs."""
    name = " ".join(word[:1].upper() + word[1:] for word in view.policy.name.split("-"))
    return {
        "service": name,
        "origin": context.sign_in.public_url,
        "path": path,
        "query": query,
        "has_sign_up": view.policy.sign_up.enabled,
    }


def _read(request: AnyRequest) -> tuple[SiteReader, ModelQuery]:
    """Who asks, and for what."""
    text = request.scope["query_string"].decode("latin-1")
    pairs = parse_qsl(text, keep_blank_values=True)[:_MOST_PARAMETERS]
    language = next((value for name, value in pairs if name == "lang"), None)
    return reader_of(request, language), read_query(pairs)


def _answer(request: AnyRequest, page: SitePage) -> Response[bytes]:
    headers = request.headers
    return page.answer(headers.get("accept-encoding", ""), headers.get("if-none-match", ""))


@route("/models", http_method=_READ, right=Right.ANYBODY, include_in_schema=False)
async def show_models(request: AnyRequest) -> Response[bytes]:
    """The models on sale."""
    site, context = _site(request), context_of(request)
    reader, query = _read(request)
    return _answer(request, site.list(await site.view(context), context, reader, query))


@route("/models/{name:path}", http_method=_READ, right=Right.ANYBODY, include_in_schema=False)
async def show_model_page(request: AnyRequest) -> Response[bytes] | Redirect:
    """A model by its canonical name; another name of it leads there."""
    site, context = _site(request), context_of(request)
    reader, query = _read(request)
    view = await site.view(context)
    name = str(request.path_params["name"]).lstrip("/")
    card = view.cards.get(name)
    if card is not None:
        return _answer(request, site.model(view, context, reader, card, query))
    if name in view.policy.orchestra.names and _pools(view):
        return Redirect("/models#orchestra", status_code=302)
    found = view.index.find(name)
    if found is not None and found.model.name in view.cards:
        stated = {"lang": reader.language} if reader.stated else {}
        return Redirect(model_path(found.model.name) + query.written(**stated), status_code=302)
    return _answer(request, site.missing(view, context, reader, name[:_MOST_NAME]))


def _site(request: AnyRequest) -> ModelSite:
    site: ModelSite = request.app.state[SITE]
    return site


SITE_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_models, show_model_page)
