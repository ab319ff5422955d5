"""A key's limit and spending, its account's credit and usage, and single requests, in the shapes that clients of model
routers expect, with amounts as JSON numbers.

The numbers are written from whole nano-dollars, never from floats. `total_credits` minus `total_usage` is the account's
balance, including held credit.
"""

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tokenharbor.accounts.key_state import KeyState, KeyStateReader, main_limit
from tokenharbor.gateway.account_reads import AccountReads
from tokenharbor.gateway.answers import json_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.local_limits import LocalClass, LocalLimits
from tokenharbor.identity.caller import Caller
from tokenharbor.identity.keys import PREFIX
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.errors import BooksError, InvalidRequest, NotFound, Unavailable
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.rollup import UsageTotal

_ACTIVITY: Final = timedelta(days=30)
_NONE: Final = msgspec.Raw(b"0")
T = TypeVar("T")


class KeyStateHandler:
    """Serves the paths that describe a key and its account. They are free of charge."""

    def __init__(self, limits: LocalLimits, keys: KeyStateReader, reads: AccountReads) -> None:
        self._limits = limits
        self._keys = keys
        self._reads = reads

    async def key(self, call: Call, _name: str) -> None:
        """Answer with the key, its limit and its spending."""
        caller = await self._admit(call)
        state = await _read(self._keys.state(caller.account_id, caller.key_id, call.started_at))
        _answer(call, _key(state, caller))

    async def credits(self, call: Call, _name: str) -> None:
        """Answer with the account's total credit and total usage."""
        caller = await self._admit(call)
        balance = await _read(self._reads.balance(caller.account_id, call.started_at))
        used = await _read(self._keys.used(caller.account_id))
        given = used + balance.available + balance.held
        _answer(call, {"total_credits": _number(given), "total_usage": _number(used)})

    async def generation(self, call: Call, _name: str) -> None:
        """Answer with a request, by the id in its answer's `x-request-id`."""
        caller = await self._admit(call)
        stated = dict(parse_qsl(call.exchange.query, keep_blank_values=True)).get("id", "")
        try:
            request_id = ids.parse("req", stated)
        except ValueError as error:
            raise InvalidRequest(str(error), param="id") from None
        receipt = await _read(self._reads.receipt(caller.account_id, request_id))
        if receipt is None:
            raise NotFound("This account has no request with this id.")
        _answer(call, _generation(receipt))

    async def activity(self, call: Call, _name: str) -> None:
        """Answer with usage in the last 30 whole UTC days, by day, model and provider, the latest day first."""
        caller = await self._admit(call)
        until = call.started_at.replace(hour=0, minute=0, second=0, microsecond=0)
        totals = await _read(self._keys.days(caller.account_id, until - _ACTIVITY, until))
        _answer(call, [_day(total) for total in reversed(totals)])

    async def _admit(self, call: Call) -> Caller:
        return await self._limits.admit(call, LocalClass.READ)


async def _read(reading: Awaitable[T]) -> T:
    try:
        return await reading
    except BooksError as error:
        raise Unavailable("Database unavailable: try again shortly.") from error


def _answer(call: Call, data: Any) -> None:
    call.exchange.respond(200, json_head(call), msgspec.json.encode({"data": data}))


def _number(amount: Usd) -> msgspec.Raw:
    return msgspec.Raw(str(amount).encode())


def _key(state: KeyState, caller: Caller) -> Mapping[str, Any]:
    rules, spent = state.key.rules, state.spent
    main = main_limit(rules, spent)
    return {
        "label": rules.name or f"{PREFIX}{state.key.first4}…{state.key.last4}",
        "limit": None if main.limit is None else _number(main.limit),
        "limit_remaining": None if main.left is None else _number(main.left),
        "limit_reset": main.reset,
        "usage": _number(spent.life),
        "usage_daily": _number(spent.day),
        "usage_weekly": _number(state.week),
        "usage_monthly": _number(spent.month),
        "byok_usage": _NONE,
        "byok_usage_daily": _NONE,
        "byok_usage_weekly": _NONE,
        "byok_usage_monthly": _NONE,
        "include_byok_in_limit": False,
        "is_free_tier": not caller.account.topped_up,
        "is_management_key": False,
        "is_provisioning_key": False,
        "expires_at": show_time(rules.expires_at),
    }


def _generation(receipt: Mapping[str, Any]) -> Mapping[str, Any]:
    used: Mapping[str, int] = receipt.get("usage") or {}
    cached = used.get("cache_read", 0)
    prompt = used.get("input", 0) + cached + used.get("cache_write_5m", 0) + used.get("cache_write_1h", 0)
    completion = used.get("output", 0) + used.get("reasoning", 0)
    cost = msgspec.Raw(receipt["cost_usd"].encode())
    return {
        "id": receipt["id"],
        "upstream_id": receipt.get("upstream_request_id"),
        "model": receipt.get("model"),
        "provider_name": receipt.get("provider"),
        "created_at": receipt.get("started_at") or receipt["ended_at"],
        "streamed": receipt.get("stream"),
        "cancelled": receipt.get("status") == "hung_up",
        "latency": receipt.get("first_content_ms"),
        "generation_time": receipt.get("total_ms"),
        "finish_reason": None,
        "tokens_prompt": prompt,
        "tokens_completion": completion,
        "native_tokens_prompt": prompt,
        "native_tokens_completion": completion,
        "native_tokens_reasoning": used.get("reasoning", 0),
        "native_tokens_cached": cached,
        "total_cost": cost,
        "usage": cost,
        "is_byok": False,
    }


def _day(total: UsageTotal) -> Mapping[str, Any]:
    used = total.usage
    return {
        "date": None if total.start is None else total.start.date().isoformat(),
        "model": total.model,
        "model_permaslug": total.model,
        "endpoint_id": "",
        "provider_name": total.provider,
        "usage": _number(total.charge),
        "byok_usage_inference": _NONE,
        "requests": total.requests,
        "prompt_tokens": used.input + used.cache_read + used.cache_write_5m + used.cache_write_1h,
        "completion_tokens": used.output + used.reasoning,
        "reasoning_tokens": used.reasoning,
    }
