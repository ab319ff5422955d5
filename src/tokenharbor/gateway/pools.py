"""Pools of a snapshot: the name that stands for them, the models of each stage, and those that a key may ask."""

from collections.abc import Mapping

import msgspec

from tokenharbor.catalog.find import close_names
from tokenharbor.editions.orchestra import OrchestraPolicy
from tokenharbor.gateway.offers import ModelOffers
from tokenharbor.orchestra.stage import Stage
from tokenharbor.routing.plan import DroppedEndpoint, RouteRequest


class Pools(msgspec.Struct, frozen=True):
    """What an edition's name for many models stands for. `names` are all that callers may ask for: the name itself, and
    with each stage that it pins. `models` has each pool, the preferred first.
    """

    policy: OrchestraPolicy
    names: Mapping[str, Stage | None]
    models: Mapping[Stage, tuple[ModelOffers, ...]]

    def nearest(self, name: str) -> tuple[str, ...]:
        """The names that one with an unknown stage may mean; none for other names."""
        if not name.startswith(f"{self.policy.name}/"):
            return ()
        return close_names(name, self.names) or tuple(self.names)

    def stages(self) -> Mapping[Stage, tuple[str, ...]]:
        """The names of each pool's models that somebody can serve."""
        return {stage: tuple(each.model.name for each in pool if each.ready) for stage, pool in self.models.items()}

    @property
    def on_sale(self) -> bool:
        """Whether any model of them can be served."""
        return any(self.stages().values())


class PoolMember(msgspec.Struct, frozen=True):
    """A model of a pool as one key may ask it. `wanted` is of a request without any rule of its own, while every
    endpoint is healthy; `barred`: this key may not ask it, whatever the request.
    """

    offers: ModelOffers
    wanted: RouteRequest
    barred: DroppedEndpoint | None = None


class PoolAccess(msgspec.Struct, frozen=True):
    """What the name stands for. `stage` is the one that the name itself pins."""

    pools: Pools
    stage: Stage | None
    members: Mapping[Stage, tuple[PoolMember, ...]]

    @property
    def everybody(self) -> tuple[PoolMember, ...]:
        """The members of all pools."""
        return tuple(each for pool in self.members.values() for each in pool)


def find_pools(policy: OrchestraPolicy, offers: Mapping[str, ModelOffers]) -> Pools | None:
    """None where the edition has no such name. What the catalogue lacks is left out: see `check_pools`."""
    if not policy.name:
        return None
    names = dict(zip(policy.names, (None, *map(Stage, policy.pools())), strict=True))
    models = {
        Stage(stage): tuple(offers[name] for name in pool if name in offers) for stage, pool in policy.pools().items()
    }
    return Pools(policy, names, models)
