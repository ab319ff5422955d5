"""Counting tokens: our own estimate in the caller's dialect; no provider is called, nothing is billed."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from tokenharbor.catalog.types import Model
from tokenharbor.gateway.admit import admit, allow_model
from tokenharbor.gateway.answers import estimate_head, write_refusal
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.planning import find_model
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.gateway.translation import MOST_OBJECTS, has_many_objects
from tokenharbor.http.exchange import Exchange
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import InvalidRequest, Refusal
from tokenharbor.wire.count import estimate_tokens
from tokenharbor.wire.framing.body import edit, read_members
from tokenharbor.wire.neutral.dialect import Dialect, ModelInPath

COUNTS: Mapping[str, str] = {
    "/v1/messages/count_tokens": "anthropic_messages",
    "/v1/responses/input_tokens": "openai_responses",
}
"""Paths that count, and the dialect each is in."""

_SHOWN: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "anthropic_messages": lambda count: {"input_tokens": count},
    "openai_responses": lambda count: {"object": "response.input_tokens", "input_tokens": count},
    "gemini": lambda count: {"totalTokens": count},
}
_IMPLIED: Mapping[str, Mapping[str, bytes]] = {"anthropic_messages": {"max_tokens": b"1"}}
"""What an answer needs and a count does not have."""

_WRAPPED: Mapping[str, tuple[str, ...]] = {"gemini": ("generateContentRequest", "generate_content_request")}
"""The member that may hold the whole request instead, in both spellings."""


_LARGE = 256 << 10


class Counting:
    """Serves the paths that count. A key is needed, money is not."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._large = ThreadPoolExecutor(1, "counting")  # one by one: the event loop is to keep its share

    async def serve(self, exchange: Exchange, dialect: Dialect, place: ModelInPath | None = None) -> None:
        call = Call(exchange, dialect, self._dependencies.world, place)
        try:
            call.read_query()
            answer = await self._count(call)
            exchange.respond(200, estimate_head(call.request_id), msgspec.json.encode(answer))
        except Refusal as refusal:
            exchange.respond(*write_refusal(dialect, call.request_id, refusal))

    async def _count(self, call: Call) -> dict[str, Any]:
        dependencies, dialect = self._dependencies, call.dialect
        caller = await admit(dependencies.ring, call.key, call.exchange.peer, call.started_at)
        call.exchange.buffer_owner = caller.account_id
        body = await call.exchange.read_body()
        work = partial(_read_and_count, dependencies.snapshots.current, caller, (dialect, call.place), body)
        executor = self._large if len(body) > _LARGE else None
        model, count = await asyncio.get_running_loop().run_in_executor(executor, work)
        dependencies.metrics.note_count(model)
        return _SHOWN[dialect.name](count)


def _read_and_count(
    snapshot: Snapshot, caller: Caller, told: tuple[Dialect, ModelInPath | None], body: bytes
) -> tuple[str, int]:
    """The model and the count. Whoever pays nothing may send as much as who does, so it is all read off the loop."""
    dialect, place = told
    if has_many_objects(body):
        raise InvalidRequest(f"The request holds more than {MOST_OBJECTS} objects, too many to count: send fewer.")
    request = dialect.read_request(_as_request(body, dialect.name), place)
    model = find_model(snapshot, request.model).model
    allow_model(caller, model.name)
    return model.name, estimate_tokens(dialect.read_chat(request), model.tokenizer, _wire(snapshot, model, dialect))


def _wire(snapshot: Snapshot, model: Model, dialect: Dialect) -> str:
    """The wire in which the model would be asked, while all its providers are healthy: vendors add more in some."""
    plan = snapshot.offers[model.name].plain[dialect.name]
    return next((ready.endpoint.provider.wire for ready in plan.endpoints), dialect.name)


def _as_request(body: bytes, dialect: str) -> bytes:
    """The body as one that asks for an answer would have it."""
    members = read_members(body)
    inner = next((members[name] for name in _WRAPPED.get(dialect, ()) if name in members), None)
    if inner is not None:
        body = bytes(inner)
        members = read_members(body)
    lacking: dict[str, bytes | None] = {
        name: value for name, value in _IMPLIED.get(dialect, {}).items() if name not in members
    }
    return edit(body, members, lacking) if lacking else body
