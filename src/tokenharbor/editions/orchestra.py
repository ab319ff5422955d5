"""The policy of Orchestra: one name for many models, and the models for each stage of work."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from tokenharbor.editions.fields import Count, Effort, Limit, ModelName, PublicName, Word


class OrchestraPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[orchestra]`: the name of a choice of models by stage, and each stage's pool, preferred first."""

    name: PublicName  # the model name that callers use; "": none
    plan: tuple[ModelName, ...]
    code: tuple[ModelName, ...]
    review: tuple[ModelName, ...]
    summarise: tuple[ModelName, ...]
    general: tuple[ModelName, ...]
    effort: Mapping[Word, Effort]  # of reasoning by stage, if the caller states none
    gate_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)]  # below this classifier confidence, the stage is general
    pin_minutes: Limit  # after the last request, how long a session keeps its executor
    warm_minutes: Limit  # after the last request, how long a provider's prompt cache counts as warm
    stage_requests: Count  # the assumed length of a stage, over which a switch must pay for itself
    switch_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)]  # of a stage's cost, always allowed for a switch

    @property
    def names(self) -> tuple[str, ...]:
        """All names that callers may use: the name itself, and the name with each stage."""
        return (self.name, *(f"{self.name}/{stage}" for stage in self.pools())) if self.name else ()

    def pools(self) -> Mapping[str, tuple[str, ...]]:
        """Return the pools by stage."""
        return {
            "plan": self.plan,
            "code": self.code,
            "review": self.review,
            "summarise": self.summarise,
            "general": self.general,
        }
