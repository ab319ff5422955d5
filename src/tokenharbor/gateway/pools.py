"""The model pools of a snapshot: their names, the models of each stage, and the models that a key may use."""

from collections.abc import Mapping

import msgspec

from tokenharbor.catalog.find import close_names
from tokenharbor.editions.orchestra import OrchestraPolicy
from tokenharbor.gateway.offers import ModelOffers
from tokenharbor.orchestra.stage import Stage
from tokenharbor.routing.plan import DroppedEndpoint, RouteRequest


class Pools(msgspec.Struct, frozen=True):
    """The model pools of an edition. `names` has all names that callers may use: the pools' name, which pins no stage,
    and the name with each stage. `models` has the pool of each stage, the preferred model first.
    """

    policy: OrchestraPolicy
    names: Mapping[str, Stage | None]
    models: Mapping[Stage, tuple[ModelOffers, ...]]

    def nearest(self, name: str) -> tuple[str, ...]:
        """Return the names that a name with an unknown stage may mean; () for other names."""
        if not name.startswith(f"{self.policy.name}/"):
            return ()
        return close_names(name, self.names) or tuple(self.names)

    def stages(self) -> Mapping[Stage, tuple[str, ...]]:
        """Return the names of the models that can be served, by stage."""
        return {stage: tuple(each.model.name for each in pool if each.ready) for stage, pool in self.models.items()}

    @property
    def on_sale(self) -> bool:
        """Whether any model of the pools can be served."""
        return any(self.stages().values())


class PoolMember(msgspec.Struct, frozen=True):
    """A model of a pool as one key may use it. `route_request` is the route request without provider rules while every
    endpoint is healthy. `barred` says why this key may never use the model, or is None.
    """

    offers: ModelOffers
    route_request: RouteRequest
    barred: DroppedEndpoint | None = None


class PoolAccess(msgspec.Struct, frozen=True):
    """The pools as one key may use them by one name. `stage` is the stage that the name pins, or None."""

    pools: Pools
    stage: Stage | None
    members: Mapping[Stage, tuple[PoolMember, ...]]

    @property
    def all_members(self) -> tuple[PoolMember, ...]:
        """The members of all pools."""
        return tuple(each for pool in self.members.values() for each in pool)


def find_pools(policy: OrchestraPolicy, offers: Mapping[str, ModelOffers]) -> Pools | None:
    """Return the edition's pools, or None if it has none. Models that the catalogue lacks are left out: see
    `check_pools`.
    """
    if not policy.name:
        return None
    names = dict(zip(policy.names, (None, *map(Stage, policy.pools())), strict=True))
    models = {
        Stage(stage): tuple(offers[name] for name in pool if name in offers) for stage, pool in policy.pools().items()
    }
    return Pools(policy, names, models)
