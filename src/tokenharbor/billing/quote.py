"""The quote: an upper bound of what a request can cost on any endpoint of its route; and the cap that makes it fit."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tokenharbor.billing.bounds import bound_of, most_input, text_bound
from tokenharbor.billing.detail import ServedBy
from tokenharbor.catalog.pricing import BP, Rates, UsageBound
from tokenharbor.catalog.types import Endpoint, Model, OutputLimit
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.money import Usd, round_down
from tokenharbor.kernel.usage import NO_USAGE, Usage
from tokenharbor.ledger.types import Product
from tokenharbor.wire.neutral.request import Request


class Offer(msgspec.Struct, frozen=True):
    """An endpoint as it is sold: its model, and its price with an account's terms."""

    model: Model
    endpoint: Endpoint
    rates: Rates
    served: ServedBy
    product: Product  # what the books keep of it
    apart: int  # the most tokens of reasoning outside of the maximum


def make_offer(model: Model, endpoint: Endpoint, rates: Rates, policy: Policy) -> Offer:
    provider, version = endpoint.provider.name, rates.price.version
    region = endpoint.region or endpoint.provider.region or ""
    served = ServedBy(
        provider=provider,
        upstream_model=endpoint.upstream_model,
        price_version=version.hex(),
        region=region,
        terms=rates.terms,
    )
    expires = policy.retention.metadata_days > 0
    product = Product(model.name, provider, policy.name, region, version, metadata_expires=expires)
    return Offer(model, endpoint, rates, served, product, _reasoning_apart(model, endpoint.limit))


class Quote(msgspec.Struct, frozen=True):
    """`amount` covers a request within `bound` on every endpoint of the route. `apart`: the tokens of each answer in it
    that no maximum limits. `capped` is set if the gateway, not the caller, set the maximum. Where the endpoints are of
    several models, `by_model` has the quote of each, and this is the dearest.
    """

    amount: Usd
    bound: UsageBound
    request: Request
    model: Model
    apart: int = 0
    capped: int | None = None
    by_model: Mapping[str, "Quote"] = {}

    @property
    def most_input(self) -> int:
        """More tokens of input are more than the model can read."""
        return most_input(self.request, self.model)

    def of(self, offer: Offer) -> "Quote":
        """The quote whose bound holds for an endpoint: that of its model."""
        return self.by_model[offer.model.name] if self.by_model else self


class Spendable(msgspec.Struct, frozen=True):
    """What may be spent, the time whose prices count, and how many tokens may be used; None: no limit."""

    available: Usd
    at: datetime
    tokens: int | None = None


def quote(request: Request, offers: Sequence[Offer], at: datetime, *, writes: bool = False) -> Quote:
    """The bound for a request as it stands, at the prices of `at`, on each endpoint by its own model; `writes`: the
    vendor's cache may be written, even if the request does not say so. Raises InvalidRequest for what has no price.
    """
    model = offers[0].model
    output = apart = 0
    for offer in offers:
        if offer.model is not model and offer.model.name != model.name:
            grouped = _by_model(offers)
            return _dearest({name: quote(request, each, at, writes=writes) for name, each in grouped.items()})
        most = output_bound(request, offer)
        if most > output:  # noqa: PLR1730  `max` would cost as much as what it compares
            output = most
        if offer.apart > apart:  # noqa: PLR1730  likewise
            apart = offer.apart
    if request.demand is not None:
        bound = bound_of(request, request.demand, model)
        return Quote(_upper_bound(bound, offers, at), bound, request, model)
    size = request.size
    bound = UsageBound(  # by place: names cost more than all that is counted here
        input_bound(request, model),
        output * request.choices,
        writes or request.cache_writes,
        request.cache_writes_1h,
        size.images > 0,
        size.audios > 0,
        Usage(web_searches=request.web_search_uses) if request.web_search_uses else NO_USAGE,
    )
    if request.web_search_uses:
        _refuse_unpriced_search(offers)
    return Quote(_upper_bound(bound, offers, at), bound, request, model, apart)


def input_bound(request: Request, model: Model) -> int:
    """The most tokens the input can be: from bytes and media, never more than the context. What cannot be seen from
    here (files, audio, what a search will find) counts as all of it.
    """
    size, most = request.size, model.context
    if size.files or size.audios or request.web_search_uses:
        return most
    tokens = size.text_tokens if model.bytes_per_token is None else text_bound(size, model)
    if size.images:
        tokens += size.images * model.image_tokens
    return tokens if tokens < most else most  # noqa: FURB136  `min` would cost as much as all of it


def output_bound(request: Request, offer: Offer) -> int:
    """The most tokens of one answer. The caller's maximum counts where this endpoint obeys it, else the model's own. A
    budget of reasoning that is no less comes on top: with interleaved thinking it spans more than one answer
    (platform.claude.com/docs/en/build-with-claude/extended-thinking).
    """
    most, field = request.max_output, offer.endpoint.limit.max_field
    if most is None or field == "" or (field is None and request.max_unsure and _is_passed_on(request, offer)):
        return offer.model.max_output + offer.apart
    if request.thinking_budget >= most > 0:
        most += min(request.thinking_budget, offer.model.context)
    return most + offer.apart


def _is_passed_on(request: Request, offer: Offer) -> bool:
    """Whether a maximum goes out in the caller's field: within another dialect it is written into the usual one."""
    return offer.endpoint.provider.wire == request.dialect


def _reasoning_apart(model: Model, limit: OutputLimit) -> int:
    if not limit.reasoning_apart or "reasoning" not in model.capabilities:
        return 0
    return model.context if model.max_thinking is None else model.max_thinking


def cap(request: Request, offers: Sequence[Offer], whole: Quote, policy: Policy, wallet: Spendable) -> Quote | None:
    """The quote with the output capped to what a share of the wallet affords, where it does not afford all, and to the
    tokens that are left; None where the caller set a maximum of its own, some endpoint obeys none, or less than the
    edition's least would be left.
    """
    if request.max_output is not None or request.demand is not None:
        return None
    if any(offer.endpoint.limit.max_field == "" for offer in offers):
        return None
    budget = wallet.available
    if wallet.tokens is None or budget < whole.amount:
        budget = round_down(budget * policy.cap.share_bp, BP)
    spendable = msgspec.structs.replace(wallet, available=budget)
    fits = min([_most_output(request, offer, whole.of(offer), spendable) for offer in offers])
    if fits < policy.cap.min_tokens:
        return None
    return _dearest(
        {name: _capped(request, each, whole.of(each[0]), fits, wallet.at) for name, each in _by_model(offers).items()}
    )


def _most_output(request: Request, offer: Offer, whole: Quote, budget: Spendable) -> int:
    """The maximum of each answer that the budget affords at one endpoint; negative if not even the input is."""
    most = offer.rates.most_output(whole.bound, budget.available, budget.at)
    if budget.tokens is not None:
        most = min(most, budget.tokens - whole.bound.input)
    return most // request.choices - whole.apart


def _capped(request: Request, offers: Sequence[Offer], whole: Quote, most: int, at: datetime) -> Quote:
    """The quote of one model with a maximum set by us."""
    bound = msgspec.structs.replace(whole.bound, output=(most + whole.apart) * request.choices)
    return Quote(_upper_bound(bound, offers, at), bound, request, whole.model, whole.apart, most)


def _by_model(offers: Sequence[Offer]) -> Mapping[str, Sequence[Offer]]:
    grouped: dict[str, list[Offer]] = {}
    for offer in offers:
        grouped.setdefault(offer.model.name, []).append(offer)
    return grouped


def _dearest(quotes: Mapping[str, Quote]) -> Quote:
    """The one quote of a route's models."""
    dearest = max(quotes.values(), key=lambda each: each.amount)
    return dearest if len(quotes) == 1 else msgspec.structs.replace(dearest, by_model=quotes)


def _upper_bound(bound: UsageBound, offers: Sequence[Offer], at: datetime) -> Usd:
    if len(offers) == 1:
        return offers[0].rates.upper_bound(bound, at)
    return max([offer.rates.upper_bound(bound, at) for offer in offers])


def _refuse_unpriced_search(offers: Sequence[Offer]) -> None:
    for offer in offers:
        if "web_searches" not in offer.rates.priced:
            raise InvalidRequest(
                f"{offer.endpoint.provider.name} has no price for web search with this model: "
                "remove the tool, or exclude that provider.",
                param="tools",
            )
