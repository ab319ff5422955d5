"""Admission: finds the caller of an API key, and turns the rules of key and request into boundaries."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol

from tokenharbor.catalog.retention import retention_days
from tokenharbor.catalog.types import ResolvedName
from tokenharbor.gateway.call import Call
from tokenharbor.identity.caller import Caller
from tokenharbor.identity.keys import allows_ip
from tokenharbor.kernel.errors import InvalidApiKey, InvalidRequest, PermissionDenied
from tokenharbor.kernel.money import Usd
from tokenharbor.routing.plan import NO_BOUNDARIES, NO_ROUTING_RULES, Boundaries, RoutingRules
from tokenharbor.wire.neutral.extensions import read_max_price
from tokenharbor.wire.neutral.request import ProviderRules

_MISSING = "No API key: send one as Authorization: Bearer, x-api-key or x-goog-api-key."
_NANO_A_MILLION_PER_PICO = 1_000  # 1 nano-USD per 1M tokens is 1/1000 pico-USD per token


class KeyFinder(Protocol):
    """Finds the callers of API keys."""

    def find(self, presented: bytes) -> Caller | None: ...

    def look_up(self, presented: bytes) -> Awaitable[Caller]: ...


def known_caller(ring: KeyFinder, call: Call) -> Caller | None:
    """Return the caller of a key that is in memory, else None: then call `admit`. Raises as `admit`."""
    caller = ring.find(call.key) if call.key else None
    if caller is not None and (caller.expires_at is not None or caller.networks):
        check_caller(caller, call.exchange.peer, call.started_at)
    return caller


async def admit(ring: KeyFinder, call: Call) -> Caller:
    """Return the caller of a key. Raises InvalidApiKey, PermissionDenied, Unavailable."""
    caller = known_caller(ring, call)
    if caller is None:
        if not call.key:
            raise InvalidApiKey(_MISSING)
        if b"\n" in call.key:
            raise InvalidApiKey("The request has more than one API key: send one.")
        caller = await ring.look_up(call.key)
        check_caller(caller, call.exchange.peer, call.started_at)
    return caller


def check_caller(caller: Caller, peer: str, at: datetime) -> None:
    """Check a key's expiry and networks. Raises InvalidApiKey, PermissionDenied."""
    if caller.expires_at is not None and caller.expires_at <= at:
        raise InvalidApiKey("This API key has expired: create a new one.")
    if caller.networks and not allows_ip(caller, peer):
        raise PermissionDenied("This API key does not allow requests from this IP address.")


def check_model(caller: Caller, model: str) -> None:
    """Raise PermissionDenied if the key does not allow a model."""
    if caller.models and model not in caller.models:
        raise PermissionDenied(
            f"This API key does not allow model {model}. It allows: {', '.join(sorted(caller.models))}."
        )


def key_rules(caller: Caller) -> RoutingRules:
    """Return the providers that a key allows and denies."""
    if not caller.providers and not caller.denied_providers:
        return NO_ROUTING_RULES
    return RoutingRules(caller.providers, caller.denied_providers)


def boundaries(rules: ProviderRules | None, header: ProviderRules | None, resolved: ResolvedName) -> Boundaries:
    """Return the boundaries of a request. Rules come from the body or the header, not both. A provider that the model's
    name pins is the only one allowed.
    """
    if rules is not None and header is not None:
        raise InvalidRequest(
            "Send provider rules in the body or in the header x-tokenharbor-provider, not in both.", param="provider"
        )
    rules = rules or header
    if rules is None:
        return NO_BOUNDARIES if resolved.provider is None else Boundaries(only=frozenset((resolved.provider,)))
    only = frozenset(rules.only)
    if resolved.provider is not None:
        only = only & {resolved.provider} if only else frozenset((resolved.provider,))
        if not only:
            raise InvalidRequest(
                f"`model` requires provider {resolved.provider}, which is not in"
                " `provider.only`: add it, or remove one of the two.",
                param="provider",
            )
    prices = read_max_price(rules.max_price)
    return Boundaries(
        only=only,
        ignore=frozenset(rules.ignore),
        region=rules.region,
        retention=_retention(rules.retention),
        max_input_pico=_pico(prices.input),
        max_output_pico=_pico(prices.output),
        order=rules.order,
        by_latency=rules.sort == "latency",
    )


def _retention(text: str | None) -> str | None:
    if text is not None:
        try:
            retention_days(text)
        except ValueError as error:
            raise InvalidRequest(str(error), param="provider.retention") from None
    return text


def _pico(per_million: str | None) -> int | None:
    """Convert USD per 1M tokens, which the dialect has checked, to pico-USD per token."""
    return None if per_million is None else Usd.parse(per_million) // _NANO_A_MILLION_PER_PICO
