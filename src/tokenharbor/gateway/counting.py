"""Counting tokens: an estimate of our own in the words of the caller's dialect; nobody is asked, nothing is billed."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tokenharbor.gateway.admit import admit, allow_model
from tokenharbor.gateway.answers import estimate_head, refusal_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.parts import Parts
from tokenharbor.gateway.planning import find_model
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.body import edit, read_members
from tokenharbor.wire.count import estimate_tokens
from tokenharbor.wire.dialect import Dialect, Place

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

_WRAPPED: Mapping[str, str] = {"gemini": "generateContentRequest"}
"""The member that may hold the whole request instead."""


class Counting:
    """Serves the paths that count. A key is needed, money is not."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def serve(self, exchange: Exchange, dialect: Dialect, place: Place | None = None) -> None:
        call = Call(exchange, dialect, self._parts.world)
        call.place = place
        try:
            call.read_query()
            answer = await self._count(call)
            exchange.respond(200, estimate_head(call.request_id), msgspec.json.encode(answer))
        except Refusal as refusal:
            body = dialect.write_refusal(refusal, call.request_id)
            exchange.respond(dialect.status_of(refusal), refusal_head(call, refusal), body)

    async def _count(self, call: Call) -> dict[str, Any]:
        parts, dialect = self._parts, call.dialect
        caller = await admit(parts.ring, call.key, call.exchange.peer, call.meter.started_at)
        body = _as_request(await call.exchange.read_body(), dialect.name)
        request = dialect.read_request(body, call.place)
        model = find_model(parts.shop.current, request.model).model
        allow_model(caller, model.name)
        chat = dialect.read_chat(request)
        count = await asyncio.to_thread(estimate_tokens, chat, model.tokenizer)
        parts.metrics.note_count(model.name)
        return _SHOWN[dialect.name](count)


def _as_request(body: bytes, dialect: str) -> bytes:
    """The body as one that asks for an answer would have it."""
    members = read_members(body)
    inner = members.get(_WRAPPED.get(dialect, ""))
    if inner is not None:
        body = bytes(inner)
        members = read_members(body)
    lacking: dict[str, bytes | None] = {
        name: value for name, value in _IMPLIED.get(dialect, {}).items() if name not in members
    }
    return edit(body, members, lacking) if lacking else body
