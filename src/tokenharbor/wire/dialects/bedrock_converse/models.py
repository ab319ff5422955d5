"""What Converse leaves to each maker's models: how they are told to reason, to draw tokens and to cache.

The maker stands in the vendor's own ids (`us.maker.model-v1:0`). An ARN may hide it; what speaks there is taken for the
kind that has the most to say.
"""

import hashlib
import re
from enum import Enum

import msgspec

from tokenharbor.wire.dialects.bedrock_converse.reader import DIALECT
from tokenharbor.wire.fitting.ids import SHORT, fit
from tokenharbor.wire.fitting.reasoning_effort import budget_of, effort_of
from tokenharbor.wire.neutral.chat import (
    Choosing,
    Message,
    Order,
    Reasoning,
    Role,
    Sampling,
    Thinking,
    ToolCall,
    ToolChoice,
)

Fields = dict[str, object]


class Kind(Enum):
    """Makers whose models take the same fields."""

    SIGNING = "signing"  # reasons within a budget or adaptively, and signs its thoughts
    MEASURED = "measured"  # takes a configuration of its reasoning, and names its sampling in its own way
    EFFORT = "effort"  # takes a word for its effort
    PLAIN = "plain"


_KINDS = (
    (re.compile(r"(?:^|\.)anthropic\.|^arn:"), Kind.SIGNING),
    (re.compile(r"(?:^|\.)amazon\.nova"), Kind.MEASURED),
    (re.compile(r"(?:^|\.)openai\."), Kind.EFFORT),
)
_LEAST_BUDGET = 1024
_OFF: Fields = {"type": "disabled"}
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}  # in three words


def kind_of(model: str) -> Kind:
    return next((kind for pattern, kind in _KINDS if pattern.search(model)), Kind.PLAIN)


_NINE_LETTERS = re.compile(r"(?:^|\.)mistral\.")  # makers whose models take no other ids of calls
_NINE = re.compile(r"[A-Za-z0-9]{9}")


def call_id(model: str, id_: str) -> str:
    """A call's id as the model takes it; the same each time, so that its result is found."""
    if not _NINE_LETTERS.search(model):
        return fit(id_, SHORT)
    return id_ if _NINE.fullmatch(id_) else hashlib.blake2b(id_.encode("utf-8", "replace")).hexdigest()[:9]


def caches(kind: Kind) -> bool:
    return kind in (Kind.SIGNING, Kind.MEASURED)


def sampling(kind: Kind, top_k: int) -> Fields:
    return {"inferenceConfig": {"topK": top_k}} if kind is Kind.MEASURED else {"top_k": top_k}


def lone(kind: Kind, sampling: Sampling) -> Sampling:
    """Newer models that sign their thoughts refuse `top_p` beside a temperature."""
    both = sampling.temperature is not None and sampling.top_p is not None
    return msgspec.structs.replace(sampling, top_p=None) if both and kind is Kind.SIGNING else sampling


class Reasons(msgspec.Struct, frozen=True):
    """How a model is told to reason: `fields` are its own, `effort` is Converse's, `max_output` must be said then."""

    fields: Fields = {}
    effort: str | None = None
    max_output: int | None = None

    @property
    def lets_sample(self) -> bool:
        """Models that sign their thoughts refuse to be told how to draw tokens while they think."""
        return self.fields.get("thinking") in (None, _OFF)


def reasons(
    thinking: Thinking | None, order: Order, choice: ToolChoice | None, messages: tuple[Message, ...]
) -> Reasons:
    """Left out for models that do not reason, where forced calls, a given beginning or unsigned calls forbid it, and
    where none is asked of a model that does so anyway.
    """
    kind = kind_of(order.model)
    if thinking is None or "reasoning" not in order.capabilities:
        return Reasons()
    effort = thinking.effort or ("medium" if thinking.budget is None else effort_of(thinking.budget))
    if effort == "none":
        return _off(kind, order)
    if kind is Kind.EFFORT:
        return Reasons({"reasoning_effort": _EFFORTS.get(effort, effort)})
    if kind is Kind.MEASURED:
        config = {"type": "enabled", "maxReasoningEffort": _EFFORTS.get(effort, effort)}
        return Reasons({"reasoningConfig": config})
    forced = choice is not None and choice.mode in (Choosing.REQUIRED, Choosing.NAMED)
    begun = bool(messages) and messages[-1].role is Role.ASSISTANT
    if kind is Kind.PLAIN or forced or begun:
        return Reasons()
    if "adaptive_reasoning" in order.capabilities:
        return _adaptive(thinking)
    return Reasons() if _goes_on_unsigned(messages) else _budgeted(thinking, effort, order)


def _off(kind: Kind, order: Order) -> Reasons:
    """Some reason unless they are told not to; those that cannot but reason get the least that there is."""
    if kind is Kind.EFFORT:
        return Reasons({"reasoning_effort": "low"})
    if kind is not Kind.SIGNING or "adaptive_reasoning" not in order.capabilities:
        return Reasons()
    return Reasons(effort="low") if "always_reasoning" in order.capabilities else Reasons({"thinking": _OFF})


def _adaptive(thinking: Thinking) -> Reasons:
    effort = thinking.effort or (None if thinking.budget is None else effort_of(thinking.budget))
    display = {} if thinking.shown is None else {"display": "summarized" if thinking.shown else "omitted"}
    return Reasons({"thinking": {"type": "adaptive", **display}}, "low" if effort == "minimal" else effort)


def _budgeted(thinking: Thinking, effort: str, order: Order) -> Reasons:
    """A budget that leaves room for an answer; none where there is no such room."""
    most = order.max_output or order.most_output
    asked = thinking.budget
    budget = budget_of(effort, most) if asked is None else min(max(asked, _LEAST_BUDGET), most - 1)
    if budget < _LEAST_BUDGET:
        return Reasons()
    return Reasons({"thinking": {"type": "enabled", "budget_tokens": budget}}, max_output=most)


def _goes_on_unsigned(messages: tuple[Message, ...]) -> bool:
    """Whether the assistant is in the middle of calls that do not begin with thoughts of its own: it must not think
    then.
    """
    for message in reversed(messages):
        if message.role is Role.ASSISTANT:
            called = any(isinstance(part, ToolCall) for part in message.parts)
            return called and not any(isinstance(part, Reasoning) and _is_own(part) for part in message.parts)
    return False


def _is_own(thought: Reasoning) -> bool:
    return any(note.dialect == DIALECT for note in thought.notes)
