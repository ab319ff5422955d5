"""Simulated sessions of coding agents for cost_model.py: stages, tool loops, sizes and pauses, drawn from a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tokenharbor.orchestra.stage import Stage
from tokenharbor.simulator.draw import draw_between

PLAN, CODE, REVIEW, SUMMARISE, GENERAL = Stage.PLAN, Stage.CODE, Stage.REVIEW, Stage.SUMMARISE, Stage.GENERAL
SYSTEM = 15_000
"""Tokens of an agent's system prompt and tools: Claude Code's, by the gateway's estimate."""
_SUMMARY = 1_700  # tokens of the summary after compaction


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """One request of a session. `stage` is its true stage, `seen` the stage by its own text (None if unclear). `fresh`
    tokens are added to the conversation. `declared`: the client declares its mode. `alone`: a title or a compaction;
    the title has its own prompt. `anew`: the conversation begins again after compaction.
    """

    stage: Stage
    seen: Stage | None
    fresh: int
    output: int
    after_seconds: int
    in_loop: bool = False
    declared: bool = False
    alone: bool = False
    title: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class UserTurn:
    """A user's turn: a number of requests of one stage. `clear`: its text reveals the stage."""

    stage: Stage
    requests: int
    clear: bool = True


@dataclass(frozen=True, slots=True)
class SessionShape:
    """A kind of session. `first` and `result` are the tokens of the first request and of a tool's result; `pause` is
    the seconds before a user's turn. The agent compacts at `compact_at` tokens.
    """

    name: str
    turns: Sequence[UserTurn]
    first: int = 400
    result: tuple[int, int] = (200, 2_500)
    pause: tuple[int, int] = (20, 200)
    compact_at: int = 150_000


def _says(text: str) -> tuple[UserTurn, ...]:
    """Parse turns from a line such as "plan 4, code 10, code? 6"; a question mark is an unclear turn ("go on")."""
    found = []
    for each in text.split(","):
        stage, count = each.split()
        found.append(UserTurn(Stage(stage.rstrip("?")), int(count), clear=not stage.endswith("?")))
    return tuple(found)


_USUAL = _says("plan 4, code 10, code? 8, general 2, code 6, review 6, code? 3, summarise 1")
SHAPES = (
    SessionShape("plan, build, review", _USUAL),
    SessionShape("the same with breaks of 6 to 30 minutes", _USUAL, pause=(360, 1_800)),
    SessionShape(
        "the same in a large code base, compacted", _USUAL, first=30_000, result=(1_000, 5_000), compact_at=80_000
    ),
    SessionShape(
        "small steps, to and fro",
        _says(
            "plan 2, code 4, review 2, code 4, plan 1, code 4, general 1, code? 4, review 2, plan 2, code 5, review 2,"
            "code? 4, general 1, code 1, summarise 1"
        ),
    ),
    SessionShape("one long loop of code", _says("code 21, code? 18, summarise 1")),
    SessionShape("talk and review, little code", _says("plan 10, general 5, review 14, plan 6, code 4, summarise 1")),
)
"""The shapes, with forty requests each, and those that compaction adds."""


def requests_of(shape: SessionShape, seed: int) -> Iterator[SessionRequest]:
    """Yield a session of this shape. A title is requested beside the first request."""
    size, mode = SYSTEM, GENERAL
    drawn = chain.from_iterable(_turn(shape, place, turn, seed) for place, turn in enumerate(shape.turns))
    for number, next_one in enumerate(drawn):
        # a plan begins and ends by declaration; it ends with a call inside a loop
        declared = PLAN in {next_one.stage, mode} and next_one.stage is not mode
        request = replace(next_one, declared=declared)
        if size + request.fresh > shape.compact_at:
            yield SessionRequest(SUMMARISE, SUMMARISE, 1_200, 1_500, 1, alone=True)
            request, size = replace(request, fresh=request.fresh + _SUMMARY, after_seconds=5, anew=True), SYSTEM
        yield request
        if number == 0:
            yield SessionRequest(SUMMARISE, SUMMARISE, 600, 15, 0, alone=True, title=True)
        size, mode = size + request.fresh + request.output, request.stage


def _turn(shape: SessionShape, place: int, turn: UserTurn, seed: int) -> Iterator[SessionRequest]:
    """Yield a turn's requests: the user's, then a loop of tools; the last answer is the longest."""

    def between(low: int, high: int, *name: object) -> int:
        return draw_between(seed, low, high, shape.name, place, *name)

    seen = turn.stage if turn.clear else None
    for step in range(turn.requests):
        last = step == turn.requests - 1
        output = between(400, 1_200, step, "closing") if last else between(80, 500, step, "call")
        if step:
            fresh, pause = between(*shape.result, step), between(4, 20, step, "tool")
            yield SessionRequest(turn.stage, seen, fresh, output, pause, in_loop=True)
        else:
            fresh = shape.first if not place else between(20, 300, "words")
            yield SessionRequest(turn.stage, seen, fresh, output, between(*shape.pause, "pause"))
