"""Compute the cost of coding agents' sessions with Orchestra, with one model, and without stickiness.

.venv/bin/python -m scripts.orchestra.cost_model

Writes the tables of docs/orchestra.md. Prices come from the catalogue, pools and numbers from the edition; the
gateway's own rules (tokenharbor.orchestra.pins) choose each request's model. Providers' prompt caches are simulated: a
prefix of at least 1,024 tokens that an endpoint has seen within five minutes is read from its cache, and new tokens are
written to it. Sessions come from shapes.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from scripts.orchestra.shapes import SHAPES, SYSTEM, SessionRequest, SessionShape, requests_of

from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.orchestra import OrchestraPolicy
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import Usage, input_size
from tokenharbor.orchestra.outline import outline_of
from tokenharbor.orchestra.pins import (
    PRICED_UNITS,
    LastUsage,
    Pin,
    StickyRules,
    TokenPrices,
    Turn,
    choose,
    last_usage,
)
from tokenharbor.orchestra.stage import DecidedBy, DeclaredMode, Stage, StageDecision
from tokenharbor.wire import PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import Chat

PAGE = Path(__file__).parents[2] / "docs/orchestra.md"
BEGIN, END = "<!-- cost model -->\n", "<!-- end of cost model -->\n"
BEGIN_TWINS, END_TWINS = "<!-- pools of one price -->\n", "<!-- end of pools of one price -->\n"
EDITION = "token-harbor"
SEEDS = range(20)
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)  # the catalogue's day
KEPT_SECONDS, LEAST = 300, 1_024  # lifetime and minimum tokens of a provider's prompt cache
_AGENT = outline_of(Chat(()))


@dataclass(slots=True)
class PromptCache:
    """The prompt cache of each model's endpoint for the current conversation: tokens, and time of last use."""

    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    system: dict[str, int] = field(default_factory=dict)  # the prefix that survives compaction

    def use(self, model: str, size: int, now: int) -> int:
        """Return how many of these tokens are read from the cache, and cache all of them."""
        known, read_at = self.seen.get(model, (0, -KEPT_SECONDS - 1))
        if not known and now - self.system.get(model, -KEPT_SECONDS - 1) <= KEPT_SECONDS:
            known, read_at = SYSTEM, now
        self.seen[model], self.system[model] = (size, now), now
        return min(known, size) if now - read_at <= KEPT_SECONDS and known >= LEAST else 0

    def begin_anew(self) -> None:
        self.seen.clear()


@dataclass(slots=True)
class Bill:
    """The totals of sessions."""

    cost: Usd = ZERO
    requests: int = 0
    switches: int = 0
    read: int = 0
    size: int = 0
    own: int = 0  # requests served by the first model of their stage

    def add(self, cost: Usd, usage: Usage, *, switched: bool, own: bool) -> None:
        self.cost += cost
        self.requests += 1
        self.switches += switched
        self.read += usage.cache_read
        self.size += input_size(usage)
        self.own += own


@dataclass(frozen=True, slots=True)
class Sent:
    """A request: its time in seconds, its input tokens, and the usage of the last answer."""

    request: SessionRequest
    now: int
    size: int
    used: LastUsage


Router = Callable[[Sent], str]
"""Chooses the model of a request."""


def pooled(policy: OrchestraPolicy, rates: Mapping[str, Rates]) -> Router:
    """Choose as the gateway does, assuming that every model can serve every request."""
    rules = StickyRules(60.0 * policy.warm_minutes, policy.stage_requests, policy.switch_bp)
    pin: Pin | None = None

    def prices(model: str, size: int) -> TokenPrices:
        return TokenPrices(model, *(rates[model].pico(unit, AT, size) for unit in PRICED_UNITS))

    def ask(sent: Sent) -> str:
        nonlocal pin
        request, now = sent.request, sent.now
        pools = policy.pools()

        def first(stage: Stage) -> TokenPrices:
            return prices(pools[stage][0], sent.size)

        def in_pool(stage: Stage, model: str) -> TokenPrices | None:
            return prices(model, sent.size) if model in pools[stage] else None

        if pin is not None and not request.alone:
            pin = replace(pin, usage=sent.used)
        turn = _turn(request, now)
        choice = choose(pin, turn, rules, first, in_pool)
        model = choice.model or pools[choice.stage][0]
        if choice.keeps:
            mode, ended = turn.declared.mode, turn.declared.plan_ended
            before = None if pin is None else pin.interrupted_by(choice.stage)
            pin = Pin(choice.stage, model, model, model, mode, ended, _AGENT, float(now), interrupted=before)
        return model

    return ask


def _turn(request: SessionRequest, now: int) -> Turn:
    """Return a request as stickiness sees it."""
    by = DecidedBy.FINGERPRINT if request.alone or request.declared else DecidedBy.CLASSIFIER
    decision = StageDecision(request.seen or Stage.GENERAL, 1.0, by, alone=request.alone)
    if request.seen is None:
        decision = StageDecision(Stage.GENERAL, 0.4, DecidedBy.GATE, guess=request.stage)
    plans = request.stage is Stage.PLAN
    mode = DeclaredMode("plan" if plans else "", None, plan_ended=False, in_tool_loop=request.in_loop)
    return Turn(decision, mode, _AGENT, float(now), follows=not request.anew)


def each_turn(policy: OrchestraPolicy) -> Router:
    """Choose for each turn alone, by the stage of its text; an unclear one goes to the general pool."""
    return lambda sent: policy.pools()[sent.request.seen or Stage.GENERAL][0]


def always(model: str) -> Router:
    return lambda _: model


@dataclass(frozen=True, slots=True)
class Market:
    """The model pools, and the price of each model."""

    policy: OrchestraPolicy
    rates: Mapping[str, Rates]

    def bill(self, shape: SessionShape, ask: Router, seed: int, total: Bill) -> None:
        """Add the cost of one session."""
        cache, size, now, used, before = PromptCache(), SYSTEM, 0, LastUsage(), ""
        for request in requests_of(shape, seed):
            now += request.after_seconds
            if request.anew:
                cache.begin_anew()
                size = SYSTEM
            sent = request.fresh if request.title else size + request.fresh
            model = ask(Sent(request, now, sent, used))
            read = 0 if request.title else cache.use(model, sent, now)  # a title has another beginning
            usage = self._usage(model, sent, read, request.output)
            switched = before not in {"", model} and not request.alone
            own = model == self.policy.pools()[request.stage][0]
            total.add(self.rates[model].rate(usage, AT).total, usage, switched=switched, own=own)
            if not request.alone:
                size, used, before = sent + request.output, last_usage(usage), model

    def _usage(self, model: str, sent: int, read: int, output: int) -> Usage:
        """Return the usage; new tokens are written to the cache if that has a price."""
        rates, fresh = self.rates[model], sent - read
        written = fresh if sent >= LEAST and rates.pico("cache_write_5m", AT) != rates.pico("input", AT) else 0
        return Usage(input=fresh - written, cache_read=read, cache_write_5m=written, output=output)


def open_market() -> Market:
    """Return the edition's pools at the catalogue's prices."""
    policy, catalog = load_edition(EDITION).orchestra, load_catalog({}, PROVIDER_DIALECTS)
    names = {model for pool in policy.pools().values() for model in pool}
    prices = {name: catalog.models[name].endpoints[0].price for name in names}
    return Market(policy, {name: Rates(price, Terms()) for name, price in prices.items() if price is not None})


def compare(market: Market) -> Sequence[tuple[str, Sequence[Bill]]]:
    """Return the bills of each shape, by router."""
    policy, rates = market.policy, market.rates
    rows = []
    for shape in SHAPES:
        bills = [Bill() for _ in range(4)]
        for seed in SEEDS:
            routers = pooled(policy, rates), each_turn(policy), always(policy.plan[0]), always(policy.code[0])
            for ask, total in zip(routers, bills, strict=True):
                market.bill(shape, ask, seed, total)
        rows.append((shape.name, bills))
    return rows


def twins(market: Market) -> Market:
    """Return the same, but with a separate model in each pool, all at the price of the code pool's first model."""
    pools = {stage: (f"{stage}-model", *(f"{other}-model" for other in Stage)) for stage in market.policy.pools()}
    rates = {model: market.rates[market.policy.code[0]] for pool in pools.values() for model in pool}
    return Market(msgspec.structs.replace(market.policy, **pools), rates)


def twins_table() -> str:
    """Return the cost and frequency of switches to models of the same price, without and with `switch_bp`."""
    with_it = twins(open_market())
    without = Market(msgspec.structs.replace(with_it.policy, switch_bp=0), with_it.rates)
    columns = ("cost", "preferred model", "switches")
    heads = [f"{each}, {name}" for name in ("`switch_bp = 0`", "edition's `switch_bp`") for each in columns]
    lines = [f"| Session | {' | '.join(heads)} |", "|---|---|---|---|---|---|---|"]
    for shape in SHAPES:
        cells = []
        for market in (without, with_it):
            total = Bill()
            for seed in SEEDS:
                market.bill(shape, pooled(market.policy, market.rates), seed, total)
            cells += [_dollars(total), _own(total), _switches(total)]
        lines.append(f"| {shape.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return the page's table of the mean per session."""
    market = open_market()
    plan, code = market.policy.plan[0], market.policy.code[0]
    ours, others = "Orchestra | Cached input | Preferred model | Switches", "Per-turn routing | Per-turn switches"
    lines = [
        f"| Session | {ours} | {others} | `{plan}` only | `{code}` only |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {name} | {' | '.join(_cells(*bills))} |" for name, bills in compare(market)]
    return "\n".join(lines) + "\n"


def _cells(ours: Bill, by_itself: Bill, *alone: Bill) -> Iterator[str]:
    yield _dollars(ours)
    yield f"{100 * ours.read // ours.size} %"
    yield _own(ours)
    yield _switches(ours)
    yield _dollars(by_itself)
    yield _switches(by_itself)
    yield from map(_dollars, alone)


def _dollars(total: Bill) -> str:
    """Return the mean per session, to thousandths."""
    mills = (total.cost + len(SEEDS) * 500_000) // (len(SEEDS) * 1_000_000)
    return f"${mills // 1000}.{mills % 1000:03}"


def _own(total: Bill) -> str:
    return f"{100 * total.own // total.requests} %"


def _switches(total: Bill) -> str:
    tenths = 10 * total.switches // len(SEEDS)
    return f"{tenths // 10}.{tenths % 10}"


def page(text: str) -> str:
    """Return the page with current tables."""
    for begin, end, made in ((BEGIN, END, table()), (BEGIN_TWINS, END_TWINS, twins_table())):
        head, rest = text.split(begin)
        text = f"{head}{begin}{made}{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
