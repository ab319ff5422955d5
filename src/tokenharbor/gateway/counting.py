"""Token counts: our own estimate, in the caller's dialect. No provider is called, and nothing is billed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from tokenharbor.catalog.types import Model
from tokenharbor.gateway.admit import check_model
from tokenharbor.gateway.answers import estimate_head, rate_lines, write_refusal
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.local_limits import LocalClass
from tokenharbor.gateway.planning import find_model
from tokenharbor.gateway.pool_lane import pool_access
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.gateway.translation import MOST_OBJECTS, has_many_objects
from tokenharbor.http.exchange import Exchange
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import InvalidRequest, Refusal
from tokenharbor.orchestra.stage import Stage
from tokenharbor.wire.count import estimate_tokens
from tokenharbor.wire.neutral.dialect import CountPath, Dialect, ModelInPath
from tokenharbor.wire.neutral.request import Request

_LARGE = 256 << 10


class TokenCountHandler:
    """Serves the paths that count tokens. They need an API key, but no balance."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._large = ThreadPoolExecutor(
            1, "counting"
        )  # one at a time, so that the event loop keeps its share of the interpreter

    async def serve(self, dialect: Dialect, path: CountPath, exchange: Exchange, name: str = "") -> None:
        """Answer a token count. `name` is the model's, if it is in the path."""
        model_in_path = ModelInPath(name, stream=False) if name else None
        call = Call(exchange, dialect, self._dependencies.world, model_in_path)
        try:
            call.read_query()
            count = await self._count(call, path)
            exchange.respond(200, estimate_head(call), msgspec.json.encode(path.write(count)))
        except Refusal as refusal:
            exchange.respond(*write_refusal(dialect, call.request_id, refusal, rate_lines(call)))

    async def _count(self, call: Call, path: CountPath) -> int:
        dependencies = self._dependencies
        caller = await dependencies.local_limits.admit(call, LocalClass.COUNT)
        call.exchange.buffer_owner = caller.account_id
        body = await call.exchange.read_body()
        read = partial(path.read, body, call.model_in_path)
        work = partial(_read_and_count, dependencies.snapshots.of(caller), caller, call.dialect, body, read)
        executor = self._large if len(body) > _LARGE else None
        model, count = await asyncio.get_running_loop().run_in_executor(executor, work)
        dependencies.metrics.note_count(model)
        return count


def _read_and_count(
    snapshot: Snapshot, caller: Caller, dialect: Dialect, body: bytes, read: Callable[[], Request]
) -> tuple[str, int]:
    """Return the model's name and the token count. Runs off the event loop: bodies can be as large as billed ones."""
    if has_many_objects(body):
        raise InvalidRequest(f"The request holds more than {MOST_OBJECTS} objects, too many to count: send fewer.")
    request = read()
    model = _counted_model(snapshot, caller, request)
    return model.name, estimate_tokens(dialect.read_chat(request), model.tokenizer, _wire(snapshot, model, dialect))


def _counted_model(snapshot: Snapshot, caller: Caller, request: Request) -> Model:
    """Return the model whose tokens are counted: of a name for a pool, the first model that the key may use."""
    pools = snapshot.pools
    if pools is None or request.model not in pools.names:
        model = find_model(snapshot, request.model).model
        check_model(caller, model.name)
        return model
    access = pool_access(snapshot, pools, caller, request)
    members = access.members[access.stage or Stage.GENERAL]
    return next(each.offers.model for each in (*members, *access.all_members) if each.barred is None)


def _wire(snapshot: Snapshot, model: Model, dialect: Dialect) -> str:
    """Return the wire of the model's first endpoint while all are healthy: in some wires vendors add more tokens."""
    plan = snapshot.offers[model.name].default_plans[dialect.name]
    return next((ready.endpoint.provider.wire for ready in plan.endpoints), dialect.name)
