"""The stage classifier: an override, else a fingerprint, else a small linear model with a gate."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from math import exp
from typing import Any

import msgspec

from tokenharbor.orchestra.features import features, word_of
from tokenharbor.orchestra.fingerprints import Fingerprints, KnownAgent, ModeSign, declared_mode, load_fingerprints
from tokenharbor.orchestra.lexicon import Lexicon, load_lexicon
from tokenharbor.orchestra.shape import Shape, read_shape
from tokenharbor.orchestra.stage import DecidedBy, DeclaredMode, Stage, StageDecision
from tokenharbor.wire.neutral.chat import Chat

_REASONS = 5  # features that a decision names
_AGENTS_OWN_STAGE = 1000  # thousandths added for the usual stage of a known agent


class StageModel(msgspec.Struct, frozen=True):
    """A linear model: for each feature, one weight in thousandths for each of `stages`. A guess with a probability
    below `gate` is rejected. `vocabulary` has the words among the features.
    """

    stages: tuple[Stage, ...]
    gate: float
    temperature: float
    weights: Mapping[str, tuple[int, ...]]
    vocabulary: frozenset[str]

    def probabilities(self, values: Mapping[str, float], usual: Stage | None = None) -> dict[Stage, float]:
        """Return the probability of each stage. `usual` is a known agent's stage for requests that say nothing else."""
        code = general = plan = review = summarise = 0.0
        weights = self.weights
        for name in values.keys() & weights.keys():  # unrolled: this is the inner loop
            value = values[name]
            one, two, three, four, five = weights[name]
            code, general, plan = code + value * one, general + value * two, plan + value * three
            review, summarise = review + value * four, summarise + value * five
        sums = [code, general, plan, review, summarise]
        if usual is not None:
            sums[self.stages.index(usual)] += _AGENTS_OWN_STAGE
        highest, scale = max(sums), 1000 * self.temperature
        powers = [exp((each - highest) / scale) for each in sums]
        total = sum(powers)
        return {stage: power / total for stage, power in zip(self.stages, powers, strict=True)}

    def reasons(self, values: Mapping[str, float], stage: Stage) -> tuple[str, ...]:
        """Return the features that count most for a stage. A feature's weights sum to 0, so each counts by itself."""
        index, weights = self.stages.index(stage), self.weights
        contributions = [(values[name] * weights[name][index], name) for name in values.keys() & weights.keys()]
        for_it = sorted([each for each in contributions if each[0] > 0], reverse=True)  # `nlargest` takes twice as long
        return tuple([name for _, name in for_it[:_REASONS]])


class StageClassifier(msgspec.Struct, frozen=True):
    """Decides the stage of requests. Pure: no I/O, no state."""

    model: StageModel
    lexicon: Lexicon
    fingerprints: Fingerprints

    def classify(self, chat: Chat, override: Stage | None = None, gate: float | None = None) -> StageDecision:
        """Return the stage of a request. `override` is the stage that the caller named; `gate` replaces the model's
        gate.
        """
        return self._decide(chat, self.fingerprints.sign_of(chat), override, gate)

    def declared_mode(self, chat: Chat) -> DeclaredMode:
        """Return the mode that the client itself declares now."""
        return declared_mode(chat, self.fingerprints.sign_of(chat))

    def classify_in_mode(
        self, chat: Chat, override: Stage | None = None, gate: float | None = None
    ) -> tuple[StageDecision, DeclaredMode]:
        """Return both the stage and the declared mode, in one pass over the chat."""
        sign = self.fingerprints.sign_of(chat)
        return self._decide(chat, sign, override, gate), declared_mode(chat, sign)

    def _decide(self, chat: Chat, sign: ModeSign | None, override: Stage | None, gate: float | None) -> StageDecision:
        shape = read_shape(chat, self.fingerprints.preambles)
        prompt = self.fingerprints.prompt_of(shape)
        if override is not None:
            alone = prompt is not None and prompt.alone
            return StageDecision(override, 1.0, DecidedBy.OVERRIDE, (override.value,), alone)
        if prompt is not None and prompt.alone:
            return StageDecision(prompt.stage, 1.0, DecidedBy.FINGERPRINT, (prompt.name,), alone=True)
        if sign is not None and (mode_prompt := sign.begins):
            return StageDecision(mode_prompt.stage, 1.0, DecidedBy.FINGERPRINT, (mode_prompt.name,))
        if prompt is not None:
            return StageDecision(prompt.stage, 1.0, DecidedBy.FINGERPRINT, (prompt.name,))
        if sign is not None and sign.ends and sign.fresh:
            name = sign.reminder.name if sign.reminder else "a call ended the plan"
            return StageDecision(Stage.CODE, 1.0, DecidedBy.FINGERPRINT, (name,))
        return self._by_model(shape, self.fingerprints.agent_of(shape), self.model.gate if gate is None else gate)

    def _by_model(self, shape: Shape, agent: KnownAgent | None, gate: float) -> StageDecision:
        """Decide by the model. The system prompt of a known agent is ignored: it is the same at every stage."""
        if agent is not None:
            shape = msgspec.structs.replace(shape, system="")
        values = features(shape, self.lexicon, self.model.vocabulary)
        probabilities = self.model.probabilities(values, agent.stage if agent else None)
        stage = max(probabilities, key=lambda each: probabilities[each])
        probability, because = round(probabilities[stage], 3), self.model.reasons(values, stage)
        if probability >= gate or (stage is Stage.GENERAL and agent is None):
            return StageDecision(stage, probability, DecidedBy.CLASSIFIER, because)
        if agent is not None:
            usual = round(probabilities[agent.stage], 3)
            return StageDecision(agent.stage, usual, DecidedBy.FINGERPRINT, (agent.name, *because), guess=stage)
        return StageDecision(Stage.GENERAL, probability, DecidedBy.GATE, because, guess=stage)


def load_classifier() -> StageClassifier:
    """Read weights, cues and fingerprints from their files."""
    tables = tomllib.loads(files(__package__).joinpath("model/weights.toml").read_text("utf-8"))
    return StageClassifier(_model(tables), load_lexicon(), load_fingerprints())


def _model(tables: Mapping[str, Any]) -> StageModel:
    words = frozenset(word for name in tables["weights"] if (word := word_of(name)))
    return msgspec.convert({**tables, "vocabulary": words}, StageModel, strict=False)
