"""The fields that Converse leaves to each maker's models: reasoning, sampling and caching.

The maker is part of the vendor's ids (`us.maker.model-v1:0`). An ARN may hide it; such a model counts as the family
with the most features.
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

    SIGNING = "signing"  # reasons within a budget or adaptively, and signs its reasoning
    MEASURED = "measured"  # takes a reasoning configuration, and has different names for sampling
    EFFORT = "effort"  # takes an effort word
    PLAIN = "plain"


_KINDS = (
    (re.compile(r"(?:^|\.)anthropic\.|^arn:"), ModelFamily.SIGNING),
    (re.compile(r"(?:^|\.)amazon\.nova"), ModelFamily.MEASURED),
    (re.compile(r"(?:^|\.)openai\."), ModelFamily.EFFORT),
)
_LEAST_BUDGET = 1024
_OFF: Fields = {"type": "disabled"}
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}  # the vendor has three words


def kind_of(model: str) -> ModelFamily:
    return next((kind for pattern, kind in _KINDS if pattern.search(model)), ModelFamily.PLAIN)


_NINE_LETTERS = re.compile(r"(?:^|\.)mistral\.")  # makers whose models require call ids of nine characters
_NINE = re.compile(r"[A-Za-z0-9]{9}")


def call_id(model: str, id_: str) -> str:
    """Return a call's id in the model's form; deterministic, so results still match."""
    if not _NINE_LETTERS.search(model):
        return fit(id_, SHORT)
    return id_ if _NINE.fullmatch(id_) else hashlib.blake2b(id_.encode("utf-8", "replace")).hexdigest()[:9]


def caches(kind: ModelFamily) -> bool:
    return kind in (ModelFamily.SIGNING, ModelFamily.MEASURED)


def sampling(kind: ModelFamily, top_k: int) -> Fields:
    return {"inferenceConfig": {"topK": top_k}} if kind is ModelFamily.MEASURED else {"top_k": top_k}


def lone(kind: ModelFamily, sampling: Sampling) -> Sampling:
    """Drop `top_p` beside a temperature for newer signing models, which refuse both."""
    both = sampling.temperature is not None and sampling.top_p is not None
    return msgspec.structs.replace(sampling, top_p=None) if both and kind is ModelFamily.SIGNING else sampling


class ReasoningFields(msgspec.Struct, frozen=True):
    """A model's reasoning settings: `fields` are its own, `effort` is Converse's; `max_output`, if
    set, must be sent.
    """

    fields: Fields = {}
    effort: str | None = None
    max_output: int | None = None

    @property
    def lets_sample(self) -> bool:
        """Whether sampling may be set: models that sign their reasoning refuse it while they think."""
        return self.fields.get("thinking") in (None, _OFF)


def reasons(
    thinking: ReasoningRequest | None, options: VendorOptions, choice: ToolChoice | None, messages: tuple[Message, ...]
) -> ReasoningFields:
    """Return the reasoning settings. They are empty for models that do not reason, where a forced call, an assistant
    prefix or unsigned calls forbid reasoning, and where no setting is needed.
    """
    kind = kind_of(options.model)
    if thinking is None or "reasoning" not in options.capabilities:
        return ReasoningFields()
    effort = thinking.effort or ("medium" if thinking.budget is None else effort_of(thinking.budget))
    if effort == "none":
        return _off(kind, options)
    if kind is ModelFamily.EFFORT:
        return ReasoningFields({"reasoning_effort": _EFFORTS.get(effort, effort)})
    if kind is ModelFamily.MEASURED:
        config = {"type": "enabled", "maxReasoningEffort": _EFFORTS.get(effort, effort)}
        return ReasoningFields({"reasoningConfig": config})
    forced = choice is not None and choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    begun = bool(messages) and messages[-1].role is Role.ASSISTANT
    if kind is ModelFamily.PLAIN or forced or begun:
        return ReasoningFields()
    if "adaptive_reasoning" in options.capabilities:
        return _adaptive(thinking)
    return ReasoningFields() if _goes_on_unsigned(messages) else _budgeted(thinking, effort, options)


def _off(kind: ModelFamily, options: VendorOptions) -> ReasoningFields:
    """Return the settings for no reasoning; models that always reason get the least effort."""
    if kind is ModelFamily.EFFORT:
        return ReasoningFields({"reasoning_effort": "low"})
    if kind is not ModelFamily.SIGNING or "adaptive_reasoning" not in options.capabilities:
        return ReasoningFields()
    return (
        ReasoningFields(effort="low")
        if "always_reasoning" in options.capabilities
        else ReasoningFields({"thinking": _OFF})
    )


def _adaptive(thinking: ReasoningRequest) -> ReasoningFields:
    effort = thinking.effort or (None if thinking.budget is None else effort_of(thinking.budget))
    display = {} if thinking.shown is None else {"display": "summarized" if thinking.shown else "omitted"}
    return ReasoningFields({"thinking": {"type": "adaptive", **display}}, "low" if effort == "minimal" else effort)


def _budgeted(thinking: ReasoningRequest, effort: str, options: VendorOptions) -> ReasoningFields:
    """Return a budget that leaves room for an answer; empty if there is no room."""
    most = options.max_output or options.most_output
    asked = thinking.budget
    budget = budget_of(effort, most) if asked is None else min(max(asked, _LEAST_BUDGET), most - 1)
    if budget < _LEAST_BUDGET:
        return ReasoningFields()
    return ReasoningFields({"thinking": {"type": "enabled", "budget_tokens": budget}}, max_output=most)


def _goes_on_unsigned(messages: tuple[Message, ...]) -> bool:
    """Return whether the assistant is amid calls without signed reasoning before them: then it must not think."""
    for message in reversed(messages):
        if message.role is Role.ASSISTANT:
            called = any(isinstance(part, ToolCall) for part in message.parts)
            return called and not any(isinstance(part, Reasoning) and _is_own(part) for part in message.parts)
    return False


def _is_own(thought: Reasoning) -> bool:
    return any(note.dialect == DIALECT for note in thought.notes)
