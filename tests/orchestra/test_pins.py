"""Stickiness as a function: when a session's executor stays, and when the stage changes it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.usage import Usage
from tokenharbor.orchestra.outline import Outline, outline_of
from tokenharbor.orchestra.pins import (
    WHY_WORDS,
    Choice,
    LastUsage,
    Pin,
    StickyRules,
    TokenPrices,
    Turn,
    Why,
    choose,
    last_usage,
)
from tokenharbor.orchestra.stage import DecidedBy, DeclaredMode, Stage, StageDecision
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, Tool

AGENT = Outline((1, 2, 3), 5)
OTHER = Outline((7, 8, 9), 5)
RULES = StickyRules(warm_seconds=300.0, stage_requests=10, switch_bp=0)
PRICES: Mapping[str, TokenPrices] = {
    "opus": TokenPrices("opus", 400_000, 5_000_000, 8_000_000, 20_000_000),
    "sonnet": TokenPrices("sonnet", 200_000, 2_500_000, 4_000_000, 10_000_000),
    "haiku": TokenPrices("haiku", 10_000, 125_000, 200_000, 500_000),
}
POOLS = {
    Stage.PLAN: ("opus",),
    Stage.CODE: ("sonnet", "opus"),
    Stage.REVIEW: ("opus",),
    Stage.SUMMARISE: ("haiku",),
    Stage.GENERAL: ("sonnet",),
}
UNSURE = StageDecision(Stage.CODE, 0.4, DecidedBy.FINGERPRINT, ("the agent's own",), guess=Stage.PLAN)
WARM = LastUsage(cached=55_000, new=5_000, output=500)


def said(stage: Stage, confidence: float = 0.95, by: DecidedBy = DecidedBy.CLASSIFIER, *, alone: bool = False) -> Turn:
    mode = DeclaredMode("", None, plan_ended=False, in_tool_loop=False)
    return Turn(StageDecision(stage, confidence, by, alone=alone), mode, AGENT, at=1_000.0)


def loop(turn: Turn, **declared: object) -> Turn:
    return replace(turn, declared=replace(turn.declared, in_tool_loop=True, **declared))  # type: ignore[arg-type]


def pinned(stage: Stage = Stage.CODE, model: str = "sonnet", usage: LastUsage = WARM, **fields: object) -> Pin:
    pin = Pin(stage, model, f"a/{model}", f"a/{model}", "", plan_ended=False, outline=AGENT, at=990.0, usage=usage)
    return replace(pin, **fields)  # type: ignore[arg-type]


def decide(pin: Pin | None, turn: Turn, able: frozenset[str] = frozenset(PRICES)) -> Choice:
    def prices_of(stage: Stage, model: str) -> TokenPrices | None:
        return PRICES[model] if model in POOLS[stage] and model in able else None

    def first_of(stage: Stage) -> TokenPrices | None:
        return next((PRICES[model] for model in POOLS[stage] if model in able), None)

    return choose(pin, turn, RULES, first_of, prices_of)


def test_a_new_session_has_the_stage_that_is_clear() -> None:
    assert decide(None, said(Stage.REVIEW)) == Choice(Stage.REVIEW, Why.FIRST)
    assert decide(None, replace(said(Stage.CODE), decision=UNSURE)).stage is Stage.CODE
    assert decide(None, said(Stage.GENERAL, 0.5, DecidedBy.GATE)).stage is Stage.GENERAL
    assert decide(None, said(Stage.PLAN, 1, DecidedBy.OVERRIDE)).why is Why.ASKED


def test_an_unclear_turn_after_a_summary_goes_on_with_what_was_before_it() -> None:
    written = pinned(Stage.SUMMARISE, "haiku", interrupted=Stage.CODE)
    go_on = replace(said(Stage.CODE), decision=UNSURE)
    assert decide(written, go_on) == Choice(Stage.CODE, Why.UNSURE)
    assert decide(written, loop(go_on)).stage is Stage.SUMMARISE, "a call of the summary's own"
    assert decide(pinned(Stage.SUMMARISE, "haiku"), go_on).stage is Stage.SUMMARISE, "nothing was before it"
    assert [pinned().interrupted_by(stage) for stage in (Stage.SUMMARISE, Stage.CODE)] == [Stage.CODE, None]
    assert written.interrupted_by(Stage.SUMMARISE) is Stage.CODE


@pytest.mark.parametrize("stage", list(Stage))
def test_th_o4_inside_a_tool_loop_nothing_changes(stage: Stage) -> None:
    pin = pinned(endpoint="b/opus")
    assert decide(pin, loop(said(stage))) == Choice(Stage.CODE, Why.LOOP, "sonnet", "b/opus")


@pytest.mark.parametrize(
    ("turn", "stage"),
    [
        (loop(said(Stage.PLAN, 1, DecidedBy.FINGERPRINT), mode="plan mode"), Stage.PLAN),
        (replace(loop(said(Stage.REVIEW)), outline=OTHER), Stage.REVIEW),
        (replace(loop(said(Stage.REVIEW)), outline=replace(AGENT, tools=6)), Stage.REVIEW),
    ],
    ids=["a mode begins", "another system prompt", "other tools"],
)
def test_th_o4_unless_the_client_declares_another_mode(turn: Turn, stage: Stage) -> None:
    cold = pinned(usage=LastUsage())
    assert decide(cold, turn) == Choice(stage, Why.DECLARED)


def test_th_o4_a_plan_that_ends_inside_a_loop_hands_over_to_code() -> None:
    planning = pinned(Stage.PLAN, "opus", LastUsage(), mode="plan mode")
    ended = loop(said(Stage.CODE, 1, DecidedBy.FINGERPRINT), plan_ended=True)
    assert decide(planning, ended) == Choice(Stage.CODE, Why.DECLARED)
    coding = pinned(Stage.CODE, "sonnet", LastUsage(), plan_ended=True)
    assert decide(coding, ended).why is Why.LOOP


@pytest.mark.parametrize("pin", [None, pinned()])
def test_th_o4_titles_and_compaction_go_alone_and_move_no_pin(pin: Pin | None) -> None:
    turn = said(Stage.SUMMARISE, 1, DecidedBy.FINGERPRINT, alone=True)
    assert decide(pin, turn) == decide(pin, loop(turn)) == Choice(Stage.SUMMARISE, Why.ALONE, keeps=False)


def test_a_stage_that_is_not_clear_changes_nothing() -> None:
    unsure = replace(said(Stage.REVIEW), decision=UNSURE)
    for turn in (unsure, said(Stage.GENERAL, 0.4, DecidedBy.GATE), said(Stage.GENERAL)):
        assert decide(pinned(), turn) == Choice(Stage.CODE, Why.UNSURE, "sonnet", "a/sonnet")


def test_the_executor_that_was_chosen_is_asked_again_in_the_next_turn() -> None:
    stood_in = pinned(endpoint="b/opus")
    assert decide(stood_in, said(Stage.CODE)).endpoint == "a/sonnet"


def test_a_switch_that_costs_more_than_it_earns_waits() -> None:
    """To write 55,000 tokens to its cache, opus takes $4.60 a million more than to read them from it: $0.253. Its
    requests cost $0.0285 more than sonnet's: eight differ by less than that, nine by more. Of haiku it is $0.006, and
    one request differs by more.
    """

    def after(requests: int, at: float, model: str = "opus", stage: Stage = Stage.PLAN) -> Choice:
        rules, turn = replace(RULES, stage_requests=requests), replace(said(stage), at=at)
        return choose(pinned(), turn, rules, lambda _: PRICES[model], lambda *_: PRICES["sonnet"])

    assert after(9, at=1_000) == Choice(Stage.PLAN, Why.CHANGED)
    assert after(8, at=1_000) == Choice(Stage.CODE, Why.WARM, "sonnet", "a/sonnet")
    assert after(8, at=990 + 301) == Choice(Stage.PLAN, Why.CHANGED)
    assert after(1, 1_000, "haiku", Stage.SUMMARISE) == Choice(Stage.SUMMARISE, Why.CHANGED)


@pytest.mark.parametrize(
    ("usage", "share", "why"),
    [
        (WARM, 0, Why.WARM),
        (WARM, 4_400, Why.WARM),
        (WARM, 4_500, Why.CHANGED),
        (replace(WARM, hour=True), 5_000, Why.WARM),
        (replace(WARM, hour=True), 6_000, Why.CHANGED),
        (replace(WARM, cached=200_000), 5_000, Why.WARM),
        (replace(WARM, cached=20_000), 5_000, Why.CHANGED),
    ],
    ids=["nothing", "too little", "enough", "an hour's", "enough for an hour's", "a long session", "a short one"],
)
def test_two_models_of_one_price_switch_for_a_share_of_what_the_stage_costs(
    usage: LastUsage, share: int, why: Why
) -> None:
    """A million of 55,000 tokens cost $2.30 more written than read: $0.1265 or, kept for an hour, $0.209. Ten requests
    cost $0.285 and $0.36.
    """
    twin, rules = replace(PRICES["sonnet"], model="twin"), replace(RULES, switch_bp=share)
    choice = choose(pinned(usage=usage), said(Stage.REVIEW), rules, lambda _: twin, lambda *_: PRICES["sonnet"])
    assert choice.why is why


def test_a_cache_that_is_not_written_at_a_price_of_its_own_costs_what_input_costs() -> None:
    """Read anew at $2 a million instead of $0.20: $0.099 for 55,000 tokens, and ten requests cost $0.26."""
    plain = TokenPrices("plain", 200_000, 2_000_000, 2_000_000, 10_000_000)

    def why(share: int) -> Why:
        rules = replace(RULES, switch_bp=share)
        return choose(pinned(), said(Stage.REVIEW), rules, lambda _: plain, lambda *_: replace(plain, model="b")).why

    assert [why(3_800), why(3_810)] == [Why.WARM, Why.CHANGED]


def test_what_a_session_has_in_the_cache_is_what_its_last_request_read_and_wrote() -> None:
    assert last_usage(None) == LastUsage()
    assert last_usage(Usage(input=100, cache_read=9_000, output=40, reasoning=2)) == LastUsage(9_000, 100, 42)
    assert last_usage(Usage(input=5, cache_read=9_000, cache_write_5m=700, output=40)) == LastUsage(9_700, 705, 40)
    assert last_usage(Usage(input=5, cache_write_1h=9_000)) == LastUsage(9_000, 5, hour=True), "a session's first"


def test_another_conversation_of_the_session_has_nothing_in_a_cache() -> None:
    once = replace(RULES, stage_requests=1)
    turn = replace(said(Stage.PLAN), follows=False)
    assert choose(pinned(), turn, once, lambda _: PRICES["opus"], lambda *_: PRICES["sonnet"]).why is Why.CHANGED
    same = replace(said(Stage.CODE), follows=False, outline=OTHER)
    assert decide(pinned(), loop(same)) == Choice(Stage.CODE, Why.SAME, "sonnet", "a/sonnet")


def test_a_stage_with_the_same_model_changes_without_a_switch() -> None:
    asked = said(Stage.GENERAL, by=DecidedBy.FINGERPRINT)
    assert decide(pinned(), asked) == Choice(Stage.GENERAL, Why.CHANGED, "sonnet", "a/sonnet")


def test_an_executor_that_cannot_serve_gives_way() -> None:
    able = frozenset({"opus", "haiku"})
    assert decide(pinned(), said(Stage.PLAN), able) == Choice(Stage.PLAN, Why.CHANGED)


def test_the_callers_word_switches_whatever_it_costs() -> None:
    dear = pinned(usage=LastUsage(900_000, 0, 10))
    turn = loop(said(Stage.SUMMARISE, 1, DecidedBy.OVERRIDE))
    assert decide(dear, turn) == Choice(Stage.SUMMARISE, Why.ASKED)
    assert decide(dear, loop(said(Stage.CODE, 1, DecidedBy.OVERRIDE))).model == "sonnet"


def test_every_reason_has_its_words() -> None:
    assert set(WHY_WORDS) == set(Why)


stages = st.sampled_from(list(Stage))
decisions = st.builds(
    StageDecision,
    stages,
    st.floats(0, 1),
    st.sampled_from(list(DecidedBy)),
    st.just(()),
    st.booleans(),
    st.none() | stages,
)
modes = st.builds(DeclaredMode, st.sampled_from(["", "plan mode"]), st.none(), st.booleans(), st.booleans())
outlines = st.sampled_from([AGENT, OTHER])
turns = st.builds(Turn, decisions, modes, outlines, st.floats(0, 5_000), st.booleans())
usages = st.builds(LastUsage, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**5))
pins = st.builds(
    Pin,
    stages,
    st.sampled_from(sorted(PRICES)),
    st.just("home"),
    st.just("stand-in"),
    st.sampled_from(["", "plan mode"]),
    st.booleans(),
    outlines,
    st.floats(0, 5_000),
    usages,
)


@given(pin=pins, turn=turns)
def test_what_always_holds(pin: Pin, turn: Turn) -> None:
    choice = decide(pin, turn)
    kept = choice.model == pin.model
    assert choice.keeps is not turn.decision.alone
    assert choice.endpoint in {"", "home", "stand-in"}
    assert bool(choice.model) is bool(choice.endpoint), "an executor stays with its endpoint, or nobody does"
    if choice.stage is pin.stage and choice.keeps:
        assert kept or turn.decision.by is DecidedBy.OVERRIDE or choice.why is Why.DECLARED, (
            "a stage keeps its executor"
        )
    if choice.why is Why.LOOP:
        assert (choice.stage, choice.model, choice.endpoint) == (pin.stage, pin.model, "stand-in")
    if turn.decision.by is DecidedBy.OVERRIDE and not turn.decision.alone:
        assert choice.stage is turn.decision.stage


@given(pin=pins, turn=turns, more=st.floats(0, 5_000))
def test_a_colder_cache_never_holds_a_session_back(pin: Pin, turn: Turn, more: float) -> None:
    if decide(pin, turn).why in {Why.CHANGED, Why.DECLARED}:
        assert decide(pin, replace(turn, at=turn.at + more)).why is not Why.WARM


def _chat(system: str, *tools: str) -> Chat:
    return Chat((Message(Role.SYSTEM, (Text(system),)),), tools=tuple(Tool(name) for name in tools))


def test_an_outline_survives_a_line_that_changes_with_each_request() -> None:
    lines = [f"rule {number}" for number in range(200)]
    one = outline_of(_chat("\n".join(["stamp: 1", *lines]), "read"))
    other = outline_of(_chat("\n".join(["stamp: 2", *lines]), "read"))
    assert not one.differs(other)
    assert one.differs(outline_of(_chat("\n".join(["stamp: 1", *lines]), "read", "edit")))
    assert one.differs(outline_of(_chat("\n".join(f"another {number}" for number in range(200)), "read")))
    assert not outline_of(_chat("")).differs(outline_of(_chat("")))
