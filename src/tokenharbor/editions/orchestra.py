"""The policy of Orchestra: one name for many models, and which of them are asked for which stage of work."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from tokenharbor.editions.fields import Count, Effort, Limit, ModelName, PublicName, Word


class OrchestraPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[orchestra]`: the name of a choice of models by stage, and the pool of each stage, preferred first."""

    name: PublicName  # what callers ask for as a model; "": there is none
    plan: tuple[ModelName, ...]
    code: tuple[ModelName, ...]
    review: tuple[ModelName, ...]
    summarise: tuple[ModelName, ...]
    general: tuple[ModelName, ...]
    effort: Mapping[Word, Effort]  # of reasoning by stage, where the caller states none
    gate_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)]  # a classifier that is less sure of a stage means general
    pin_minutes: Limit  # after its last request a session's executor is forgotten
    warm_minutes: Limit  # after its last request a provider's prompt cache is taken for cold
    stage_requests: Count  # that a stage is taken to last: over so many, a switch has to earn what it costs
    switch_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)]  # of what a stage costs, a switch may cost in any case

    @property
    def names(self) -> tuple[str, ...]:
        """All that callers may ask for: the name itself, and with each stage that it pins."""
        return (self.name, *(f"{self.name}/{stage}" for stage in self.pools())) if self.name else ()

    def pools(self) -> Mapping[str, tuple[str, ...]]:
        """By stage."""
        return {
            "plan": self.plan,
            "code": self.code,
            "review": self.review,
            "summarise": self.summarise,
            "general": self.general,
        }
