"""Quotes: the upper bound of a request's cost on every endpoint of its route, and caps to make it affordable."""

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
    """An endpoint on sale: with its model, and its price under an account's terms."""

    model: Model
    endpoint: Endpoint
    rates: Rates
    served: ServedBy
    product: Product  # the part that the books record
    uncapped_reasoning: int  # the most reasoning tokens that a maximum does not limit


def make_offer(model: Model, endpoint: Endpoint, rates: Rates, policy: Policy) -> Offer:
    """Return the offer of an endpoint that has a price."""
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
    return Offer(model, endpoint, rates, served, product, _uncapped_reasoning(model, endpoint.limit))


class Quote(msgspec.Struct, frozen=True):
    """The most that a request can cost. `amount` covers a request within `bound` on every endpoint of the route.
    `uncapped_reasoning` is the number of tokens per answer that no maximum limits. `capped` is the maximum if the
    gateway, not the caller, set it. If the endpoints are of several models, `by_model` has the quote of each, and this
    is the highest.
    """

    amount: Usd
    bound: UsageBound
    request: Request
    model: Model
    uncapped_reasoning: int = 0
    capped: int | None = None
    by_model: Mapping[str, "Quote"] = {}

    @property
    def most_input(self) -> int:
        """The most tokens of input that the model can read."""
        return most_input(self.request, self.model)

    def of(self, offer: Offer) -> "Quote":
        """Return the quote for an offer's model."""
        return self.by_model[offer.model.name] if self.by_model else self


class Spendable(msgspec.Struct, frozen=True):
    """The amount that may be spent, the time of the prices, and the tokens that may be used (None: no limit)."""

    available: Usd
    at: datetime
    tokens: int | None = None


def quote(request: Request, offers: Sequence[Offer], at: datetime, *, writes: bool = False) -> Quote:
    """Return the quote for a request at the prices of `at`. `writes`: the provider's cache may be written even if the
    request does not ask for it. Raises InvalidRequest if a part of the request has no price.
    """
    model = offers[0].model
    output = uncapped_reasoning = 0
    for offer in offers:
        if offer.model is not model and offer.model.name != model.name:
            grouped = _by_model(offers)
            return _highest({name: quote(request, each, at, writes=writes) for name, each in grouped.items()})
        most = output_bound(request, offer)
        if most > output:  # noqa: PLR1730  a call of `max` would be slower
            output = most
        if offer.uncapped_reasoning > uncapped_reasoning:  # noqa: PLR1730  likewise
            uncapped_reasoning = offer.uncapped_reasoning
    if request.demand is not None:
        bound = bound_of(request, request.demand, model)
        return Quote(_upper_bound(bound, offers, at), bound, request, model)
    size = request.size
    bound = UsageBound(  # positional: keywords would cost more than the rest of this function
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
    return Quote(_upper_bound(bound, offers, at), bound, request, model, uncapped_reasoning)


def input_bound(request: Request, model: Model) -> int:
    """Return the most tokens that the input can have: from bytes and media, at most the context. Input of unknown size
    (files, audio, search results) counts as the whole context.
    """
    size, most = request.size, model.context
    if size.files or size.audios or request.web_search_uses:
        return most
    tokens = size.text_tokens if model.bytes_per_token is None else text_bound(size, model)
    if size.images:
        tokens += size.images * model.image_tokens
    return tokens if tokens < most else most  # noqa: FURB136  a call of `min` would be slower


def output_bound(request: Request, offer: Offer) -> int:
    """Return the most tokens of one answer: the caller's maximum if the endpoint obeys it, else the model's. A
    reasoning budget of at least the maximum is added: with interleaved thinking it spans more than one answer
    (platform.claude.com/docs/en/build-with-claude/extended-thinking).
    """
    most, field = request.max_output, offer.endpoint.limit.max_field
    if most is None or field == "" or (field is None and request.max_unsure and _is_passed_on(request, offer)):
        return offer.model.max_output + offer.uncapped_reasoning
    if request.thinking_budget >= most > 0:
        most += min(request.thinking_budget, offer.model.context)
    return most + offer.uncapped_reasoning


def _is_passed_on(request: Request, offer: Offer) -> bool:
    """Return whether a maximum is sent in the caller's own field. In another dialect it is written in the usual
    field.
    """
    return offer.endpoint.provider.wire == request.dialect


def _uncapped_reasoning(model: Model, limit: OutputLimit) -> int:
    if not limit.reasoning_apart or "reasoning" not in model.capabilities:
        return 0
    return model.context if model.max_thinking is None else model.max_thinking


def cap(request: Request, offers: Sequence[Offer], full: Quote, policy: Policy, wallet: Spendable) -> Quote | None:
    """Return the quote with its output capped to a share of the wallet, if the wallet does not cover all of it, and to
    the tokens left. Return None if the caller set a maximum, some endpoint obeys none, or the cap would be below the
    edition's minimum.
    """
    if request.max_output is not None or request.demand is not None:
        return None
    if any(offer.endpoint.limit.max_field == "" for offer in offers):
        return None
    budget = wallet.available
    if wallet.tokens is None or budget < full.amount:
        budget = round_down(budget * policy.cap.share_bp, BP)
    spendable = msgspec.structs.replace(wallet, available=budget)
    most_output = min([_most_output(request, offer, full.of(offer), spendable) for offer in offers])
    if most_output < policy.cap.min_tokens:
        return None
    return _highest(
        {
            name: _capped(request, each, full.of(each[0]), most_output, wallet.at)
            for name, each in _by_model(offers).items()
        }
    )


def _most_output(request: Request, offer: Offer, full: Quote, budget: Spendable) -> int:
    """Return the most output tokens per answer that the budget covers at one endpoint; negative if not even the
    input.
    """
    most = offer.rates.most_output(full.bound, budget.available, budget.at)
    if budget.tokens is not None:
        most = min(most, budget.tokens - full.bound.input)
    return most // request.choices - full.uncapped_reasoning


def _capped(request: Request, offers: Sequence[Offer], full: Quote, most: int, at: datetime) -> Quote:
    """Return the quote of one model with a maximum set by the gateway."""
    bound = msgspec.structs.replace(full.bound, output=(most + full.uncapped_reasoning) * request.choices)
    return Quote(_upper_bound(bound, offers, at), bound, request, full.model, full.uncapped_reasoning, most)


def _by_model(offers: Sequence[Offer]) -> Mapping[str, Sequence[Offer]]:
    grouped: dict[str, list[Offer]] = {}
    for offer in offers:
        grouped.setdefault(offer.model.name, []).append(offer)
    return grouped


def _highest(quotes: Mapping[str, Quote]) -> Quote:
    """Return the highest quote of a route's models."""
    highest = max(quotes.values(), key=lambda each: each.amount)
    return highest if len(quotes) == 1 else msgspec.structs.replace(highest, by_model=quotes)


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
