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
    Message,
    Reasoning,
    ReasoningRequest,
    Role,
    Sampling,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    VendorOptions,
)

Fields = dict[str, object]


class ModelFamily(Enum):
    """Makers whose models take the same fields."""

    SIGNING = "signing"  # reasons within a budget or adaptively, and signs its thoughts
    MEASURED = "measured"  # takes a configuration of its reasoning, and names its sampling in its own way
    EFFORT = "effort"  # takes a word for its effort
    PLAIN = "plain"


_KINDS = (
    (re.compile(r"(?:^|\.)anthropic\.|^arn:"), ModelFamily.SIGNING),
    (re.compile(r"(?:^|\.)amazon\.nova"), ModelFamily.MEASURED),
    (re.compile(r"(?:^|\.)openai\."), ModelFamily.EFFORT),
)
_LEAST_BUDGET = 1024
_OFF: Fields = {"type": "disabled"}
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}  # in three words


def kind_of(model: str) -> ModelFamily:
    return next((kind for pattern, kind in _KINDS if pattern.search(model)), ModelFamily.PLAIN)


_NINE_LETTERS = re.compile(r"(?:^|\.)mistral\.")  # makers whose models take no other ids of calls
_NINE = re.compile(r"[A-Za-z0-9]{9}")


def call_id(model: str, id_: str) -> str:
    """A call's id as the model takes it; the same each time, so that its result is found."""
    if not _NINE_LETTERS.search(model):
        return fit(id_, SHORT)
    return id_ if _NINE.fullmatch(id_) else hashlib.blake2b(id_.encode("utf-8", "replace")).hexdigest()[:9]


def caches(kind: ModelFamily) -> bool:
    return kind in (ModelFamily.SIGNING, ModelFamily.MEASURED)


def sampling(kind: ModelFamily, top_k: int) -> Fields:
    return {"inferenceConfig": {"topK": top_k}} if kind is ModelFamily.MEASURED else {"top_k": top_k}


def lone(kind: ModelFamily, sampling: Sampling) -> Sampling:
    """Newer models that sign their thoughts refuse `top_p` beside a temperature."""
    both = sampling.temperature is not None and sampling.top_p is not None
    return msgspec.structs.replace(sampling, top_p=None) if both and kind is ModelFamily.SIGNING else sampling


class ReasoningFields(msgspec.Struct, frozen=True):
    """How a model is told to reason: `fields` are its own, `effort` is Converse's, `max_output` must be said then."""

    fields: Fields = {}
    effort: str | None = None
    max_output: int | None = None

    @property
    def lets_sample(self) -> bool:
        """Models that sign their thoughts refuse to be told how to draw tokens while they think."""
        return self.fields.get("thinking") in (None, _OFF)


def reasons(
    thinking: ReasoningRequest | None, order: VendorOptions, choice: ToolChoice | None, messages: tuple[Message, ...]
) -> ReasoningFields:
    """Left out for models that do not reason, where forced calls, a given beginning or unsigned calls forbid it, and
    where none is asked of a model that does so anyway.
    """
    kind = kind_of(order.model)
    if thinking is None or "reasoning" not in order.capabilities:
        return ReasoningFields()
    effort = thinking.effort or ("medium" if thinking.budget is None else effort_of(thinking.budget))
    if effort == "none":
        return _off(kind, order)
    if kind is ModelFamily.EFFORT:
        return ReasoningFields({"reasoning_effort": _EFFORTS.get(effort, effort)})
    if kind is ModelFamily.MEASURED:
        config = {"type": "enabled", "maxReasoningEffort": _EFFORTS.get(effort, effort)}
        return ReasoningFields({"reasoningConfig": config})
    forced = choice is not None and choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    begun = bool(messages) and messages[-1].role is Role.ASSISTANT
    if kind is ModelFamily.PLAIN or forced or begun:
        return ReasoningFields()
    if "adaptive_reasoning" in order.capabilities:
        return _adaptive(thinking)
    return ReasoningFields() if _goes_on_unsigned(messages) else _budgeted(thinking, effort, order)


def _off(kind: ModelFamily, order: VendorOptions) -> ReasoningFields:
    """Some reason unless they are told not to; those that cannot but reason get the least that there is."""
    if kind is ModelFamily.EFFORT:
        return ReasoningFields({"reasoning_effort": "low"})
    if kind is not ModelFamily.SIGNING or "adaptive_reasoning" not in order.capabilities:
        return ReasoningFields()
    return (
        ReasoningFields(effort="low")
        if "always_reasoning" in order.capabilities
        else ReasoningFields({"thinking": _OFF})
    )


def _adaptive(thinking: ReasoningRequest) -> ReasoningFields:
    effort = thinking.effort or (None if thinking.budget is None else effort_of(thinking.budget))
    display = {} if thinking.shown is None else {"display": "summarized" if thinking.shown else "omitted"}
    return ReasoningFields({"thinking": {"type": "adaptive", **display}}, "low" if effort == "minimal" else effort)


def _budgeted(thinking: ReasoningRequest, effort: str, order: VendorOptions) -> ReasoningFields:
    """A budget that leaves room for an answer; none where there is no such room."""
    most = order.max_output or order.most_output
    asked = thinking.budget
    budget = budget_of(effort, most) if asked is None else min(max(asked, _LEAST_BUDGET), most - 1)
    if budget < _LEAST_BUDGET:
        return ReasoningFields()
    return ReasoningFields({"thinking": {"type": "enabled", "budget_tokens": budget}}, max_output=most)


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
