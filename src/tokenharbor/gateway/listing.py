"""What callers read: models, their balance, their requests' receipts."""

from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tokenharbor.gateway.admit import admit
from tokenharbor.gateway.answers import json_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.parts import Parts
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksError, InvalidRequest, ModelNotFound, NotFound, Unavailable
from tokenharbor.kernel.money import ZERO
from tokenharbor.ledger.types import Pool

_MOST_RECEIPTS = 1_000
T = TypeVar("T")


class Listing:
    """The reading half of the data plane; nothing here costs anything."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def models(self, call: Call) -> None:
        """What is on sale. No key is needed; with one, what that key may use."""
        caller = await self._admit(call) if call.key is not None else None
        shop = self._parts.shop.current
        names = [name for name in shop.on_sale() if not _hidden(name, caller)]
        self._answer(call, shop.showcase.list(names, call.meter.started_at))

    async def model(self, call: Call, name: str) -> None:
        caller = await self._admit(call) if call.key is not None else None
        shop = self._parts.shop.current
        found = shop.index.find(name)
        if found is None or _hidden(found.model.name, caller) or not shop.shelves[found.model.name].sales:
            raise ModelNotFound(f"There is no model {name[:100]!r}. GET /v1/models lists them all.", param="model")
        self._answer(call, shop.showcase.model(found.model.name, call.meter.started_at))

    async def balance(self, call: Call) -> None:
        caller = await self._admit(call)
        balance = await _read(self._parts.reads.balance(caller.account_id, call.meter.started_at))
        answer = {
            "balance_usd": str(balance.available),
            "held_usd": str(balance.held),
            "currency": "USD",
            "pools": {pool.value: str(balance.pools.get(pool, ZERO)) for pool in Pool},
        }
        self._answer(call, answer)

    async def receipts(self, call: Call) -> None:
        caller = await self._admit(call)
        limit = _limit(dict(parse_qsl(call.exchange.query)).get("limit", "100"))
        rows = await _read(self._parts.reads.receipts(caller.account_id, limit))
        self._answer(call, {"object": "list", "data": rows})

    async def receipt(self, call: Call, name: str) -> None:
        caller = await self._admit(call)
        try:
            request_id = ids.parse("req", name)
        except ValueError as error:
            raise InvalidRequest(str(error), param="id") from None
        receipt = await _read(self._parts.reads.receipt(caller.account_id, request_id))
        if receipt is None:
            raise NotFound("There is no request of this id on this account.")
        self._answer(call, receipt)

    async def _admit(self, call: Call) -> Caller:
        return await admit(self._parts.ring, call.key, call.exchange.peer, call.meter.started_at)

    def _answer(self, call: Call, answer: Any) -> None:
        call.exchange.respond(200, json_head(call.request_id), msgspec.json.encode(answer))


async def _read(reading: Awaitable[T]) -> T:
    try:
        return await reading
    except BooksError as error:
        raise Unavailable("The books cannot be reached; try again shortly.") from error


def _hidden(model: str, caller: Caller | None) -> bool:
    return caller is not None and bool(caller.models) and model not in caller.models


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST_RECEIPTS:
        raise InvalidRequest(f"limit is a whole number from 1 to {_MOST_RECEIPTS}.", param="limit")
    return int(text)
