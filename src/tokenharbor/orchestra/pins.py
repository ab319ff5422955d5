"""Stickiness: whether a session keeps its executor or changes with the stage; pure, from what is known to a choice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tokenharbor.kernel.usage import Usage, input_size
from tokenharbor.orchestra.outline import Outline
from tokenharbor.orchestra.stage import DecidedBy, DeclaredMode, Stage, StageDecision

_BP = 10_000  # basis points in a whole


class Why(StrEnum):
    """Why a request has its stage and executor."""

    ASKED = "asked"
    ALONE = "alone"
    FIRST = "first"
    LOOP = "loop"
    SAME = "same"
    UNSURE = "unsure"
    CHANGED = "changed"
    DECLARED = "declared"
    WARM = "warm"


WHY_WORDS: Mapping[Why, str] = {
    Why.ASKED: "the caller named the stage",
    Why.ALONE: "no turn of its session (titling, compaction or a probe): routed by itself",
    Why.FIRST: "nothing is known of this session yet",
    Why.LOOP: "inside a tool loop nothing changes",
    Why.SAME: "the stage has not changed",
    Why.UNSURE: "no stage is clear, so the session's stays",
    Why.CHANGED: "the stage has clearly changed",
    Why.DECLARED: "the client declared another mode",
    Why.WARM: "the stage has changed, but a switch would cost more than it earns: the prompt cache is warm",
}


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Of a model at its preferred endpoint, in one unit for all models: what a token costs that is read from the cache,
    that is read anew and written to the cache (for minutes, for an hour), that is said.
    """

    model: str
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int


PRICED_UNITS = ("cache_read", "cache_write_5m", "cache_write_1h", "output")
"""Of usage, in the order of `TokenPrices`."""


@dataclass(frozen=True, slots=True)
class LastUsage:
    """What a session's last answer used: the input that is in the provider's cache now, the input that was new, the
    output. `hour`: the client has the cache kept for an hour.
    """

    cached: int = 0
    new: int = 0
    output: int = 0
    hour: bool = False


def last_usage(usage: Usage | None) -> LastUsage:
    """What a provider said: what was read from its cache or written to it is there now. The first request writes all
    of it, which no later one does: what is new in those is not known yet.
    """
    if usage is None:
        return LastUsage()
    cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    new = input_size(usage) - (usage.cache_read or cached)
    return LastUsage(cached, new, usage.output + usage.reasoning, usage.cache_write_1h > usage.cache_write_5m)


@dataclass(frozen=True, slots=True)
class Pin:
    """A session's executor. `home` is the endpoint that was first on the plan when it was chosen, `endpoint` who
    answered last: another one while the first fails. `at`: monotonic seconds of its last request. `before`: the stage
    that a summary interrupted.
    """

    stage: Stage
    model: str
    home: str
    endpoint: str
    mode: str
    plan_ended: bool
    outline: Outline
    at: float
    usage: LastUsage = LastUsage()
    before: Stage | None = None

    def interrupted_by(self, stage: Stage) -> Stage | None:
        """What a turn of that stage interrupts, so that the session can go on with it: None for what is no summary."""
        if stage is not Stage.SUMMARISE:
            return None
        return self.before if self.stage is stage else self.stage


@dataclass(frozen=True, slots=True)
class Turn:
    """A request as far as stickiness looks at it. `follows`: it goes on with the conversation of the pin; otherwise it
    begins another one of the same session, which has nothing in a cache.
    """

    decision: StageDecision
    declared: DeclaredMode
    outline: Outline
    at: float
    follows: bool = True


@dataclass(frozen=True, slots=True)
class StickyRules:
    """The edition's numbers. `switch_bp`: the share of a stage's cost that a switch to it may cost."""

    warm_seconds: float
    stage_requests: int
    switch_bp: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The stage of a request. `model` and `endpoint`: the executor that stays; empty: the first of the stage's pool.
    `keeps`: it becomes the session's.
    """

    stage: Stage
    why: Why
    model: str = ""
    endpoint: str = ""
    keeps: bool = True


Executor = Callable[[Stage], TokenPrices | None]
"""The model of a stage that would be asked first, of those that can serve the request."""

Prices = Callable[[Stage, str], TokenPrices | None]
"""Those of a model of a stage's pool; None where it cannot serve the request."""


def choose(pin: Pin | None, turn: Turn, rules: StickyRules, first_of: Executor, prices_of: Prices) -> Choice:
    """The stage of a request and its executor."""
    decision = turn.decision
    if decision.alone:
        return Choice(decision.stage, Why.ALONE, keeps=False)
    if pin is None:
        return Choice(decision.stage, _if_asked(decision, Why.FIRST))
    stage = _told(decision)
    declared = _declares(pin, turn)
    if decision.by is DecidedBy.OVERRIDE:
        return _stay(pin, turn, Why.ASKED) if decision.stage is pin.stage else Choice(decision.stage, Why.ASKED)
    if turn.declared.in_tool_loop and turn.follows and not declared:
        return _in_loop(pin)
    if stage is None and pin.before is not None:  # a commit message is written, and the work goes on
        return Choice(pin.before, Why.UNSURE)
    if stage is None or stage is pin.stage:
        return _stay(pin, turn, Why.UNSURE if stage is None else Why.SAME)
    return _change(pin, turn, rules, stage, Why.DECLARED if declared else Why.CHANGED, first_of, prices_of)


def _change(  # noqa: PLR0913, PLR0917  it has all that `choose` has
    pin: Pin, turn: Turn, rules: StickyRules, stage: Stage, why: Why, first_of: Executor, prices_of: Prices
) -> Choice:
    old, new = prices_of(pin.stage, pin.model), first_of(stage)
    if old is None or new is None:
        return Choice(stage, why)
    if old.model == new.model:
        return Choice(stage, why, pin.model, pin.home)
    warm = turn.follows and turn.at - pin.at <= rules.warm_seconds
    if warm and _switch_cost(pin.usage, new) > _worth(pin.usage, old, new, rules):
        return _stay(pin, turn, Why.WARM)
    return Choice(stage, why)


def _switch_cost(usage: LastUsage, new: TokenPrices) -> int:
    """What a switch adds to the new model's first request: it writes to its cache what it would else read from it."""
    return usage.cached * (_write_price(usage, new) - new.cache_read)


def _worth(usage: LastUsage, old: TokenPrices, new: TokenPrices, rules: StickyRules) -> int:
    """What a switch may cost: what the stage differs by between two models whose caches are warm, and in any case a
    share of what the stage will cost.
    """
    stays, switches = (rules.stage_requests * _request_cost(usage, prices) for prices in (old, new))
    return max(abs(switches - stays), switches * rules.switch_bp // _BP)


def _request_cost(usage: LastUsage, prices: TokenPrices) -> int:
    """One more request like the last one, its model's cache being warm."""
    new = usage.new * _write_price(usage, prices)
    return usage.cached * prices.cache_read + new + usage.output * prices.output


def _write_price(usage: LastUsage, prices: TokenPrices) -> int:
    return prices.cache_write_1h if usage.hour else prices.cache_write_5m


def _told(decision: StageDecision) -> Stage | None:
    """The stage, if whoever decided is sure of it. A classifier's GENERAL is what is left over, and so no change."""
    left_over = decision.by is DecidedBy.CLASSIFIER and decision.stage is Stage.GENERAL
    unsure = decision.by is DecidedBy.GATE or decision.guess is not None or left_over
    return None if unsure else decision.stage


def _if_asked(decision: StageDecision, why: Why) -> Why:
    return Why.ASKED if decision.by is DecidedBy.OVERRIDE else why


def _declares(pin: Pin, turn: Turn) -> bool:
    """Whether the client has declared another mode since the pin's last request."""
    declared = turn.declared
    return (
        declared.mode != pin.mode
        or (declared.plan_ended and not pin.plan_ended)
        or (turn.follows and turn.outline.differs(pin.outline))
    )


def _in_loop(pin: Pin) -> Choice:
    """With whoever answered last: a call and its result belong together."""
    return Choice(pin.stage, Why.LOOP, pin.model, pin.endpoint)


def _stay(pin: Pin, turn: Turn, why: Why) -> Choice:
    """With the executor that was chosen, even if another endpoint stood in for it; in a loop with that one."""
    in_loop = turn.declared.in_tool_loop and turn.follows
    return Choice(pin.stage, why, pin.model, pin.endpoint if in_loop else pin.home)
