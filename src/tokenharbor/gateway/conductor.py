"""Plans requests for a model pool: finds the stage and the session, chooses models, and remembers the executor."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial

import msgspec

from tokenharbor.editions.orchestra import OrchestraPolicy
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.large import LARGE, LargeBodies
from tokenharbor.gateway.offers import Plan, ReadyEndpoint, with_not_asked
from tokenharbor.gateway.pin_board import PinBoard
from tokenharbor.gateway.pool_decision import PoolDecision
from tokenharbor.gateway.pool_plan import PoolRoutes
from tokenharbor.gateway.pools import PoolAccess
from tokenharbor.gateway.session import SessionNames, beginning
from tokenharbor.gateway.translation import chat_of
from tokenharbor.http.head import refuse_repeated
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.orchestra.classifier import StageClassifier, load_classifier
from tokenharbor.orchestra.outline import Outline, outline_of
from tokenharbor.orchestra.pins import Choice, LastUsage, Pin, StickyRules, Turn, choose, last_usage
from tokenharbor.orchestra.stage import DecidedBy, DeclaredMode, Stage, StageDecision
from tokenharbor.routing.health import Health
from tokenharbor.wire.neutral.chat import SAMPLING, Chat, Role, Text, ToolResult
from tokenharbor.wire.neutral.request import Request

HEADER = b"x-tokenharbor-stage"
_UNREAD = StageDecision(Stage.GENERAL, 0.0, DecidedBy.GATE, ("the conversation cannot be read",))
_NO_MODE = DeclaredMode("", None, plan_ended=False, in_tool_loop=False)
_BP = 10_000
_ROOM_TO_REASON = 1_366
"""Tokens of an answer of which a reasoning budget of 1,024, the least that vendors accept, is at most 3/4."""
_LEAST_EFFORT = "low"

LoadClassifier = Callable[[], StageClassifier]


class Conductor:
    """Plans requests for model pools. Each worker has its own pins. One without a session's pin still finds the same
    stage and the same order of models, since both follow from the conversation.
    """

    def __init__(self, names: SessionNames, large: LargeBodies, load: LoadClassifier = load_classifier) -> None:
        self.names = names
        self.pins = PinBoard()
        self._large = large
        self._load = load

    @cached_property
    def classifier(self) -> StageClassifier:
        """The classifier, loaded on first use: never in an edition without pools."""
        return self._load()

    async def plan(self, call: MeteredCall, access: PoolAccess, request: Request, health: Health) -> Plan:
        """Return the plan of a request, which may have no endpoint; set `call.pool_decision`. Raises InvalidRequest."""
        policy, meter = access.pools.policy, call.meter
        meter.pooled = True
        turn = await self._read(call, access, request)
        if not meter.session and call.chat is not None:
            meter.session = self.names.of_conversation(meter.payer.account_id, call.chat)
        conversation = f"{meter.session}/{hash(beginning(call.chat, system=False))}" if call.chat else meter.session
        pin, turn = self._pin(meter.session, conversation, turn, policy)
        routes = PoolRoutes(call, request, access, health)
        choice = choose(pin, turn, _rules(policy), routes.first_of, routes.prices_of)
        plan = routes.plan(choice)
        call.pool_decision = PoolDecision(
            turn=turn,
            choice=choice,
            conversation=conversation,
            home=_home(pin, choice, plan),
            interrupted=None if pin is None else pin.interrupted_by(choice.stage),
            effort=_effort(policy, choice.stage, call.chat, request.max_output),
            user_turns=None if call.chat is None else _turns(call.chat),
        )
        return with_not_asked(msgspec.structs.replace(plan, stage=call.pool_decision.detail_part()))

    def note_served(self, call: MeteredCall, pool_decision: PoolDecision, ready: ReadyEndpoint) -> None:
        """Pin the endpoint of a complete answer as the session's executor, unless the request was not a turn of it."""
        meter, turn = call.meter, pool_decision.turn
        if not pool_decision.choice.keeps or not meter.session:
            return
        pin = Pin(
            stage=pool_decision.choice.stage,
            model=pool_decision.home[0],
            home=pool_decision.home[1],
            endpoint=ready.name,
            mode=turn.declared.mode,
            plan_ended=turn.declared.plan_ended,
            outline=turn.outline,
            at=turn.at,
            usage=last_usage(meter.usage) if ready.name == pool_decision.home[1] else LastUsage(),
            interrupted=pool_decision.interrupted,
        )
        since = turn.at - 60 * meter.policy.orchestra.pin_minutes
        for name in (meter.session, pool_decision.conversation):
            self.pins.keep(name, pin, since)

    async def _read(self, call: MeteredCall, access: PoolAccess, request: Request) -> Turn:
        """Read the conversation, off the event loop if it is large. Raises InvalidRequest."""
        gate = access.pools.policy.gate_bp / _BP
        classify = partial(self._classify, call, request, _override(call, access), gate)
        return await self._large.read(classify) if len(request.body) > LARGE else classify()

    def _classify(self, call: MeteredCall, request: Request, override: Stage | None, gate: float) -> Turn:
        at = call.clock.monotonic()
        try:
            chat = chat_of(call, request)
        except InvalidRequest:  # it can only be expressed in its own dialect, whose providers may be asked
            unread = _UNREAD if override is None else StageDecision(override, 1.0, DecidedBy.OVERRIDE)
            return Turn(unread, _NO_MODE, Outline(), at)
        decision, declared = self.classifier.classify_in_mode(chat, override, gate)
        if request.max_output == 1:  # how Claude Code checks its quota at start: not a turn of any session
            decision = replace(decision, alone=True)
        return Turn(decision, declared, outline_of(chat), at)

    def _pin(self, session: str, conversation: str, turn: Turn, policy: OrchestraPolicy) -> tuple[Pin | None, Turn]:
        """Return the pin of the conversation, else of its session: then the turn does not follow the pin."""
        if not session:
            return None, turn
        since = turn.at - 60 * policy.pin_minutes
        own = self.pins.find(conversation, since)
        return (own, turn) if own is not None else (self.pins.find(session, since), replace(turn, follows=False))


def _override(call: MeteredCall, access: PoolAccess) -> Stage | None:
    """Return the stage that the caller named in the model's name or the header, or None. Raises InvalidRequest."""
    value = call.headers.get(HEADER)
    if value is None:
        return access.stage
    name = HEADER.decode()
    refuse_repeated(value, name)
    text, known = value.decode("latin-1").strip().lower(), [stage.value for stage in Stage]
    if text not in known:
        raise InvalidRequest(f"The header {name} must be one of {', '.join(known)}.", param=name)
    if access.stage not in (None, text):
        raise InvalidRequest(f"The header {name} and `model` name different stages: remove one of them.", param=name)
    return Stage(text)


def _rules(policy: OrchestraPolicy) -> StickyRules:
    return StickyRules(60.0 * policy.warm_minutes, policy.stage_requests, policy.switch_bp)


def _home(pin: Pin | None, choice: Choice, plan: Plan) -> tuple[str, str]:
    """Return the session's model and endpoint: those of its pin if the model stays, else the first of the plan."""
    if pin is not None and choice.model == pin.model:
        return pin.model, pin.home
    return (plan.endpoints[0].model.name, plan.endpoints[0].name) if plan.endpoints else ("", "")


def _turns(chat: Chat) -> int:
    """Return the number of the user's messages, without those that return a tool's result."""
    kinds_by_message = [{type(part) for part in each.parts} for each in chat.messages if each.role is Role.USER]
    return sum(Text in kinds and ToolResult not in kinds for kinds in kinds_by_message)


def _effort(policy: OrchestraPolicy, stage: Stage, chat: Chat | None, most: int | None) -> str | None:
    """Return the stage's reasoning effort, or None if the caller set reasoning, or sampling, which reasoning would not
    allow. It is low if the answer's maximum is so small that reasoning could use all of it.
    """
    if chat is None or chat.thinking is not None or any(hint.advice in SAMPLING for hint in chat.advice.values()):
        return None
    effort = policy.effort.get(stage.value)
    return effort if effort is None or most is None or most >= _ROOM_TO_REASON else _LEAST_EFFORT
