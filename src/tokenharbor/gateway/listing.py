"""The paths that callers read: models, balance, receipts."""

import re
from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from msgspec import structs

from tokenharbor.accounts.credit_documents import BalanceDocument
from tokenharbor.catalog.describe import MayUse
from tokenharbor.gateway.admit import key_rules
from tokenharbor.gateway.answers import json_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.local_limits import LocalClass
from tokenharbor.gateway.offers import ModelOffers
from tokenharbor.gateway.planning import find_model, model_not_found
from tokenharbor.gateway.pool_listing import describe_pools
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import encode_document
from tokenharbor.kernel.errors import BooksError, InvalidRequest, NotFound, Unavailable
from tokenharbor.routing.plan import NO_ROUTING_RULES, key_rule_against
from tokenharbor.wire import DIALECTS

_MOST_RECEIPTS = 1_000
T = TypeVar("T")


class ReadHandler:
    """Serves models, balances and receipts. All of it is free of charge."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def models(self, call: Call, _name: str) -> None:
        """Answer with the models on sale, in a form that clients of every dialect can read."""
        models = await self._on_sale(call)
        answer: dict[str, Any] = {}
        for dialect in DIALECTS.values():
            answer |= dialect.write_models(models)
        self._answer(call, answer)

    async def models_of_dialect(self, call: Call, _name: str) -> None:
        """Answer with the models on sale, in the form of the path's dialect."""
        self._answer(call, call.dialect.write_models(await self._on_sale(call)))

    async def _on_sale(self, call: Call) -> list[dict[str, Any]]:
        """Return the models on sale; with a key, only those that it may use."""
        caller = await self._admit_anybody(call)
        snapshot, may = self._snapshot(caller), _allowed(caller)
        names = [name for name in snapshot.on_sale() if _may_use(caller, snapshot.offers[name])]
        return [*_pools(snapshot, caller), *[snapshot.documents.model(name, call.started_at, may) for name in names]]

    async def model(self, call: Call, name: str) -> None:
        caller = await self._admit_anybody(call)
        snapshot = self._snapshot(caller)
        if snapshot.pools is not None and name in snapshot.pools.names:
            shown = next((each for each in _pools(snapshot, caller) if each["id"] == name), None)
            if shown is None:
                raise model_not_found(name)
            self._answer(call, call.dialect.write_model(shown))
            return
        model = find_model(snapshot, name).model.name
        if not snapshot.offers[model].ready or not _may_use(caller, snapshot.offers[model]):
            raise model_not_found(name)
        shown = snapshot.documents.model(model, call.started_at, _allowed(caller))
        self._answer(call, call.dialect.write_model(shown))

    async def balance(self, call: Call, _name: str) -> None:
        caller = await self._admit(call)
        balance = await _read(self._dependencies.reads.balance(caller.account_id, call.started_at))
        self._answer(call, structs.replace(BalanceDocument.of(balance), currency="USD"))

    async def receipts(self, call: Call, _name: str) -> None:
        caller = await self._admit(call)
        limit = _limit(dict(parse_qsl(call.exchange.query, keep_blank_values=True)).get("limit", "100"))
        rows = await _read(self._dependencies.reads.receipts(caller.account_id, limit))
        self._answer(call, {"object": "list", "data": rows})

    async def receipt(self, call: Call, name: str) -> None:
        caller = await self._admit(call)
        try:
            request_id = ids.parse("req", name)
        except ValueError as error:
            raise InvalidRequest(str(error), param="id") from None
        receipt = await _read(self._dependencies.reads.receipt(caller.account_id, request_id))
        if receipt is None:
            raise NotFound("This account has no request with this id.")
        self._answer(call, receipt)

    async def _admit(self, call: Call) -> Caller:
        return await self._dependencies.local_limits.admit(call, LocalClass.READ)

    async def _admit_anybody(self, call: Call) -> Caller | None:
        return await self._dependencies.local_limits.admit_anybody(call, LocalClass.READ)

    def _snapshot(self, caller: Caller | None) -> Snapshot:
        snapshots = self._dependencies.snapshots
        return snapshots.current if caller is None else snapshots.of(caller)

    def _answer(self, call: Call, answer: Any) -> None:
        call.exchange.respond(200, json_head(call), encode_document(answer))


async def _read(reading: Awaitable[T]) -> T:
    try:
        return await reading
    except BooksError as error:
        raise Unavailable("Database unavailable: try again shortly.") from error


def _allowed(caller: Caller | None) -> MayUse | None:
    """Return a test of the providers that the key allows, or None if it has no provider rules."""
    rules = NO_ROUTING_RULES if caller is None else key_rules(caller)
    return None if rules is NO_ROUTING_RULES else lambda provider: key_rule_against(provider, rules) is None


def _pools(snapshot: Snapshot, caller: Caller | None) -> list[dict[str, Any]]:
    """Return the model pools in which this caller may use some model."""
    if snapshot.pools is None:
        return []
    return list(describe_pools(snapshot.pools, caller, lambda offers: caller is None or _has_provider(caller, offers)))


def _may_use(caller: Caller | None, offers: ModelOffers) -> bool:
    """Return whether the key's rules allow the model and one of its providers."""
    if caller is None:
        return True
    if caller.models and offers.model.name not in caller.models:
        return False
    return _has_provider(caller, offers)


def _has_provider(caller: Caller, offers: ModelOffers) -> bool:
    rules = key_rules(caller)
    providers = {ready.endpoint.provider.name for ready in offers.ready.values()}
    return any(key_rule_against(provider, rules) is None for provider in providers)


def _limit(text: str) -> int:
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= limit <= _MOST_RECEIPTS:
        raise InvalidRequest(f"`limit` must be an integer between 1 and {_MOST_RECEIPTS}.", param="limit")
    return limit
