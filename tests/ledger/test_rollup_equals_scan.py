"""Rollups: totals of spans and stages equal a scan of all requests, at any moment, while workers sum up."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import at_most
from tests.ledger.conftest import SOLD, START, Scene, open_meter, open_scene
from tests.postgres_server import create_database

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.book import wait_for_answers
from tokenharbor.ledger.rollup import UsageDimension, read_totals
from tokenharbor.ledger.sessions import read_stages
from tokenharbor.ledger.types import Hold, KeyLimits, PlacedHold, Product, Release, SettledCharge
from tokenharbor.ledger.verify import verify

PRODUCTS = [SOLD, Product("m", "p", "token-harbor", "", SOLD.price_version), Product("m", "", "token-harbor")]
HOUR = timedelta(hours=1)
NOTHING = (0,) * 12
SESSION = ids.show("conv", UUID(int=1))


@dataclass(frozen=True)
class Request:
    """A request that ends: billed, or lost at a cost, or without an entry; so many minutes before it is written."""

    key: int
    product: int
    cost: int
    loss: int | None  # None: it is billed
    late: int
    tokens: tuple[int, int, int]
    layer: str  # of the cache that served it
    saved: int
    stage: str  # "": its model's name stood for itself


@dataclass(frozen=True)
class Turn:
    """Requests that end while workers add up, in steps of so many entries; then time passes, and a span is read."""

    requests: Sequence[Request]
    workers: int
    step: int
    minutes: int
    span: tuple[int, int]
    by: Sequence[UsageDimension]


REQUESTS = st.builds(
    Request,
    key=st.integers(0, 1),
    product=st.integers(0, 2),
    cost=st.integers(0, 50),
    loss=st.none() | st.none() | st.sampled_from([0, 0, 7]),
    late=st.just(0) | st.integers(0, 300),
    tokens=st.tuples(*[st.integers(0, 9)] * 3),
    layer=st.sampled_from(("none", "prefix", "exact", "semantic")),
    saved=st.integers(-9, 99),
    stage=st.sampled_from(("", "plan", "code")),
)
BY: st.SearchStrategy[Sequence[UsageDimension]] = st.lists(
    st.sampled_from(("hour", "day", "key", "model", "provider")), unique=True
)
TURNS = st.builds(
    Turn,
    requests=st.lists(REQUESTS, max_size=4),
    workers=st.integers(0, 3),
    step=st.integers(1, 5),
    minutes=st.integers(0, 200),
    span=st.tuples(st.integers(-400, 1500), st.integers(1, 1500) | st.sampled_from([60, 1440])),
    by=BY,
)


@dataclass
class Stage:
    """The fixtures that all examples share: the loop, the books, and connections of workers."""

    runner: asyncio.Runner
    scene: Scene
    workers: Sequence[asyncpg.Connection]


@dataclass
class Happened:
    """An account, and all that it was told, with the time of each."""

    account: UUID
    keys: Sequence[UUID]
    ended: list[tuple[datetime, Request]] = field(default_factory=list)

    def totals(self, since: datetime, until: datetime, by: Sequence[UsageDimension]) -> dict[object, object]:
        sums: dict[object, tuple[int, ...]] = defaultdict(lambda: NOTHING)
        for at, request in self.ended:
            hour = at.replace(minute=0)
            whole = hour >= since and hour + HOUR <= until
            if since <= at < until and (whole or request.loss != 0):
                where = self._divided(request, hour, by)
                sums[where] = tuple(map(sum, zip(sums[where], _counts(request), strict=True)))
        return dict(sums)

    def stages(self) -> dict[object, object]:
        """What the details of billed requests say of each stage, by day."""
        sums: dict[object, tuple[int, ...]] = defaultdict(lambda: NOTHING)
        for at, request in self.ended:
            if request.stage and request.loss is None:
                where = at.date(), request.stage
                sums[where] = tuple(map(sum, zip(sums[where], _counts(request), strict=True)))
        return {where: _of_stage(counts) for where, counts in sums.items()}

    def _divided(self, request: Request, hour: datetime, by: Sequence[UsageDimension]) -> object:
        product = PRODUCTS[request.product]
        start = hour if "hour" in by else hour.replace(hour=0) if "day" in by else None
        key = self.keys[request.key] if "key" in by else None
        return start, key, product.model if "model" in by else "", product.provider if "provider" in by else ""


def _counts(request: Request) -> tuple[int, ...]:
    """Requests, unbilled, cached, charge, fee, loss, tokens, what each layer of caches saved."""
    if request.loss == 0:
        return (1, 1, *NOTHING[2:])
    cached = int(request.tokens[1] > 0 or request.layer != "none")
    saved = [request.saved * (request.layer in layers) for layers in ({"exact"}, {"semantic"}, {"none", "prefix"})]
    if request.loss is not None:
        return (1, 1, cached, 0, 0, request.loss, *request.tokens, *saved)
    return (1, 0, cached, request.cost, request.cost // 3, 0, *request.tokens, *saved)


def _of_stage(counts: tuple[int, ...]) -> tuple[int, ...]:
    """Requests, charge, input, output, savings."""
    requests, _, _, charge, _, _, plain, cached, output, *saved = counts
    return (requests, charge, plain + cached, output, *saved)


@pytest.fixture
def stage(postgres_url: str, migrated_template: str) -> Iterator[Stage]:
    url = create_database(postgres_url, "rollups", migrated_template)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_stage() -> Stage:
            scene = await stack.enter_async_context(open_scene(url))
            for weeks in range(3):
                await ensure_partitions(scene.conn, START + timedelta(weeks=weeks))
            workers = [await asyncpg.connect(url) for _ in range(3)]
            for worker in workers:
                stack.push_async_callback(worker.close)
            return Stage(runner, scene, workers)

        yield runner.run(open_stage())
        runner.run(stack.aclose())


def test_totals_are_those_of_all_that_happened(stage: Stage) -> None:
    @settings(max_examples=at_most(60), deadline=None, suppress_health_check=list(HealthCheck))
    @given(turns=st.lists(TURNS, min_size=1, max_size=6))
    def check(turns: Sequence[Turn]) -> None:
        stage.runner.run(_live(stage, turns))

    check()


async def _live(stage: Stage, turns: Sequence[Turn]) -> None:
    scene = stage.scene
    scene.clock.advance(START - scene.clock.now())
    happened = await _open(scene)
    for turn in turns:
        works = [_add_up(worker, happened.account, turn.step) for worker in stage.workers[: turn.workers]]
        await asyncio.gather(_end(scene, happened, turn.requests), *works)
        since = START + timedelta(minutes=turn.span[0])
        until = since + timedelta(minutes=turn.span[1])
        totals = await read_totals(scene.conn, happened.account, since=since, until=until, by=turn.by)
        found = {
            (each.start, each.key_id, each.model, each.provider): (
                *(each.requests, each.unbilled, each.cached, each.charge, each.fee, each.loss),
                *(each.usage.input, each.usage.cache_read, each.usage.output),
                *(each.saved_exact, each.saved_semantic, each.saved_vendor),
            )
            for each in totals
        }
        assert found == happened.totals(since, until, turn.by), (since, until, turn.by)
        assert await _read_stages(scene, happened.account) == happened.stages()
        scene.clock.advance(timedelta(minutes=turn.minutes))
    assert (await verify(scene.conn, [happened.account], requests=_nothing_wrong)).fault is None


async def _read_stages(scene: Scene, account: UUID) -> dict[object, object]:
    since, until = START.date() - timedelta(days=2), scene.clock.now().date() + timedelta(days=1)
    return {
        (each.day, each.stage): (
            *(each.requests, each.amount, each.input, each.output),
            *(each.saved.exact, each.saved.semantic, each.saved.vendor),
        )
        for each in await read_stages(scene.conn, account, since, until, by_day=True)
    }


async def _nothing_wrong() -> None:
    """Of the rows of requests: what these details say of their products is no matter here."""


async def _open(scene: Scene) -> Happened:
    account = await scene.open_account()
    keys = [scene.keys[account], scene.world.ids.new()]
    await open_meter(scene.conn, keys[1], account, KeyLimits())
    await scene.credit(10**9, account=account)
    return Happened(account, keys)


async def _add_up(worker: asyncpg.Connection, account: UUID, step: int) -> None:
    while await worker.fetchval("select roll_up_usage($1, $2)", account, step) == step:
        pass


async def _end(scene: Scene, happened: Happened, requests: Sequence[Request]) -> None:
    for request in requests:
        at = scene.clock.now() - timedelta(minutes=request.late)
        hold = Hold(
            scene.world.ids.new(), Payer(happened.account, happened.keys[request.key]), Usd(50), scene.clock.now()
        )
        assert await scene.place(hold) == [PlacedHold(Usd(50))]
        settlement = scene.settlement(hold, request.cost, request.cost // 3, product=PRODUCTS[request.product])
        told = {"usage": msgspec.to_builtins(_usage(request)), "cache": request.layer, "saved": request.saved}
        named = {"stage": request.stage, "session": SESSION} if request.stage else {}
        detail = msgspec.json.encode(json.loads(settlement.detail) | told | named)
        settlement = msgspec.structs.replace(settlement, at=at, detail=detail)
        if request.loss is None:
            assert await scene.settle(settlement) == [SettledCharge(Usd(request.cost), Usd(request.cost // 3), Usd(0))]
        else:
            release = Release(**_end_of(settlement), loss=Usd(request.loss))
            assert await wait_for_answers(await scene.book.release([release])) == [None]
        happened.ended.append((at, request))


def _usage(request: Request) -> Usage:
    return Usage(input=request.tokens[0], cache_read=request.tokens[1], output=request.tokens[2])


def _end_of(settlement: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(settlement, name) for name in Release.__struct_fields__ if name != "loss"}
