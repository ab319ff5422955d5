"""Stickiness: decides whether a session keeps its executor or changes it with the stage. Pure functions."""

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
    Why.ALONE: "not a turn of its session (titling, compaction or a probe), so routed separately",
    Why.FIRST: "the first request of this session",
    Why.LOOP: "inside a tool loop, so nothing changes",
    Why.SAME: "the stage has not changed",
    Why.UNSURE: "no stage is clear, so the session's stage stays",
    Why.CHANGED: "the stage has clearly changed",
    Why.DECLARED: "the client declared another mode",
    Why.WARM: "the stage has changed, but the prompt cache is warm, and a switch would cost more than it saves",
}


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """The prices of a model at its preferred endpoint, in one unit for all models, per token: read from the cache,
    written to the cache (for minutes, for an hour), and output.
    """

    model: str
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int


PRICED_UNITS = ("cache_read", "cache_write_5m", "cache_write_1h", "output")
"""The units of usage, in the order of `TokenPrices`."""


@dataclass(frozen=True, slots=True)
class LastUsage:
    """The usage of a session's last answer, in tokens: input that is in the provider's cache now, new input, output.
    `hour`: the client requests the cache for an hour.
    """

    cached: int = 0
    new: int = 0
    output: int = 0
    hour: bool = False


def last_usage(usage: Usage | None) -> LastUsage:
    """Return the last usage from a provider's usage. Input read from its cache or written to it is there now. A first
    request writes all of its input, so it does not show how much input will be new in later ones.
    """
    if usage is None:
        return LastUsage()
    cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    new = input_size(usage) - (usage.cache_read or cached)
    return LastUsage(cached, new, usage.output + usage.reasoning, usage.cache_write_1h > usage.cache_write_5m)


@dataclass(frozen=True, slots=True)
class Pin:
    """A session's executor. `home` is the endpoint that was first on the plan when the executor was chosen; `endpoint`
    answered last, and is another one while `home` fails. `at` is the time of the last request, in monotonic seconds.
    `interrupted` is the stage that a summary interrupted.
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
    interrupted: Stage | None = None

    def interrupted_by(self, stage: Stage) -> Stage | None:
        """Return the stage that a turn of `stage` interrupts, for the session to return to; None if it is not a
        summary.
        """
        if stage is not Stage.SUMMARISE:
            return None
        return self.interrupted if self.stage is stage else self.stage


@dataclass(frozen=True, slots=True)
class Turn:
    """The properties of a request that stickiness uses. `follows`: it continues the pin's conversation; otherwise it is
    of another conversation of the session, which is not in the provider's cache.
    """

    decision: StageDecision
    declared: DeclaredMode
    outline: Outline
    at: float
    follows: bool = True


@dataclass(frozen=True, slots=True)
class StickyRules:
    """The edition's parameters. `switch_bp` is the share of a stage's cost that a switch to it may cost, in basis
    points.
    """

    warm_seconds: float
    stage_requests: int
    switch_bp: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The stage of a request. `model` and `endpoint` are the executor that stays, or "" for the first of the stage's
    pool. `keeps`: the choice becomes the session's pin.
    """

    stage: Stage
    why: Why
    model: str = ""
    endpoint: str = ""
    keeps: bool = True


FirstModelPrices = Callable[[Stage], TokenPrices | None]
"""Returns the prices of a stage's first model that can serve the request, or None."""

ModelPrices = Callable[[Stage, str], TokenPrices | None]
"""Returns the prices of a model in a stage's pool, or None if it cannot serve the request."""


def choose(
    pin: Pin | None, turn: Turn, rules: StickyRules, first_of: FirstModelPrices, prices_of: ModelPrices
) -> Choice:
    """Return the stage of a request and its executor."""
    decision = turn.decision
    if decision.alone:
        return Choice(decision.stage, Why.ALONE, keeps=False)
    if pin is None:
        return Choice(decision.stage, _unless_named(decision, Why.FIRST))
    stage = _clear_stage(decision)
    declared = _declares(pin, turn)
    if decision.by is DecidedBy.OVERRIDE:
        return _stay(pin, turn, Why.ASKED) if decision.stage is pin.stage else Choice(decision.stage, Why.ASKED)
    if turn.declared.in_tool_loop and turn.follows and not declared:
        return _in_loop(pin)
    if stage is None and pin.interrupted is not None:  # after a summary, such as a commit message, the work goes on
        return Choice(pin.interrupted, Why.UNSURE)
    if stage is None or stage is pin.stage:
        return _stay(pin, turn, Why.UNSURE if stage is None else Why.SAME)
    return _change(pin, turn, rules, stage, Why.DECLARED if declared else Why.CHANGED, first_of, prices_of)


def _change(  # noqa: PLR0913, PLR0917  it needs all that `choose` has
    pin: Pin, turn: Turn, rules: StickyRules, stage: Stage, why: Why, first_of: FirstModelPrices, prices_of: ModelPrices
) -> Choice:
    old, new = prices_of(pin.stage, pin.model), first_of(stage)
    if old is None or new is None:
        return Choice(stage, why)
    if old.model == new.model:
        return Choice(stage, why, pin.model, pin.home)
    warm = turn.follows and turn.at - pin.at <= rules.warm_seconds
    if warm and _switch_cost(pin.usage, new) > _switch_budget(pin.usage, old, new, rules):
        return _stay(pin, turn, Why.WARM)
    return Choice(stage, why)


def _switch_cost(usage: LastUsage, new: TokenPrices) -> int:
    """Return the extra cost of a switch: the new model's first request writes its cache instead of reading it."""
    return usage.cached * (_write_price(usage, new) - new.cache_read)


def _switch_budget(usage: LastUsage, old: TokenPrices, new: TokenPrices, rules: StickyRules) -> int:
    """Return the most that a switch may cost: the difference in cost of the stage between the two models with warm
    caches, or a share of the stage's cost, whichever is greater.
    """
    stays, switches = (rules.stage_requests * _request_cost(usage, prices) for prices in (old, new))
    return max(abs(switches - stays), switches * rules.switch_bp // _BP)


def _request_cost(usage: LastUsage, prices: TokenPrices) -> int:
    """Return the cost of another request like the last one, with a warm cache."""
    new = usage.new * _write_price(usage, prices)
    return usage.cached * prices.cache_read + new + usage.output * prices.output


def _write_price(usage: LastUsage, prices: TokenPrices) -> int:
    return prices.cache_write_1h if usage.hour else prices.cache_write_5m


def _clear_stage(decision: StageDecision) -> Stage | None:
    """Return the stage if it is clear, else None. The classifier's GENERAL means no other stage fits: it is not
    clear.
    """
    by_default = decision.by is DecidedBy.CLASSIFIER and decision.stage is Stage.GENERAL
    unsure = decision.by is DecidedBy.GATE or decision.guess is not None or by_default
    return None if unsure else decision.stage


def _unless_named(decision: StageDecision, why: Why) -> Why:
    """Return `why`, or ASKED if the caller named the stage."""
    return Why.ASKED if decision.by is DecidedBy.OVERRIDE else why


def _declares(pin: Pin, turn: Turn) -> bool:
    """Return whether the client has declared another mode since the pin's last request."""
    declared = turn.declared
    return (
        declared.mode != pin.mode
        or (declared.plan_ended and not pin.plan_ended)
        or (turn.follows and turn.outline.differs(pin.outline))
    )


def _in_loop(pin: Pin) -> Choice:
    """Stay at the endpoint that answered last: a tool call and its result belong together."""
    return Choice(pin.stage, Why.LOOP, pin.model, pin.endpoint)


def _stay(pin: Pin, turn: Turn, why: Why) -> Choice:
    """Stay with the executor: at its home endpoint, or inside a tool loop at the endpoint that answered last."""
    in_loop = turn.declared.in_tool_loop and turn.follows
    return Choice(pin.stage, why, pin.model, pin.endpoint if in_loop else pin.home)
