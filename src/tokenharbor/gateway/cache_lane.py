"""The cache settings that all requests of one key for one model share: a field of their lane."""

from collections.abc import Sequence

import msgspec

from tokenharbor.cache.keys import KeyMaker, KeyPrefix
from tokenharbor.catalog.retention import retention_days
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import ResolvedName
from tokenharbor.editions.policy import CachePolicy, Policy
from tokenharbor.gateway.offers import ModelOffers
from tokenharbor.identity.caller import Caller, SemanticState
from tokenharbor.kernel.errors import PermissionDenied
from tokenharbor.kernel.ids import UUID
from tokenharbor.wire.neutral.request import CacheRules

_MIB = 1 << 20


class SemanticLane(msgspec.Struct, frozen=True):
    """The semantic cache settings of an account. `trial`: comparisons left before the first hit is given. `epoch`:
    answers stored in an earlier epoch are no longer found. `by_request`: a request may turn the cache on for itself.
    """

    account_id: UUID
    state: SemanticState
    trial: int
    epoch: int
    by_request: bool = True

    def check(self, stated: CacheRules) -> None:
        """Raise PermissionDenied if the request turns the semantic cache on and its account forbids that."""
        if stated.semantic and not self.by_request and self.state != "on":
            raise PermissionDenied(
                "This account does not let requests turn the semantic cache on: leave `cache.semantic` out. "
                "An owner of the account can change this (Settings, Caches).",
                param="cache.semantic",
            )

    def is_on_for(self, stated: CacheRules | None) -> bool:
        """Return whether a request uses the semantic cache. The request overrides the account, unless the cache was
        stopped.
        """
        wanted = None if stated is None else stated.semantic
        return self.state != "stopped" and (self.state == "on" if wanted is None else wanted)


class CacheLane(msgspec.Struct, frozen=True):
    """Cache settings of a lane. `scope` identifies the requests that share answers: those of one key, or of the whole
    account if `wide`. `facts` are the lane's properties that could change an answer. `prefixes` holds the beginnings
    of cache keys, by scope and kind.
    """

    scope: bytes
    facts: tuple[object, ...]
    policy: CachePolicy
    wide: bool = False
    semantic: SemanticLane | None = None
    prefixes: dict[tuple[bytes, str], KeyPrefix] = {}

    def prefix(self, keys: KeyMaker, scope: bytes, kind: str) -> KeyPrefix:
        found = self.prefixes.get((scope, kind))
        if found is None:
            found = self.prefixes[scope, kind] = keys.prefix(scope, kind, self.facts)
        return found

    @property
    def most_bytes(self) -> int:
        """The memory limit for sealed answers in this process, in bytes."""
        return self.policy.memory_mib * _MIB


def cache_lane(
    policy: Policy, caller: Caller, resolved: ResolvedName, offers: Sequence[ModelOffers]
) -> CacheLane | None:
    """Return the lane's cache settings, or None if its requests are never cached: the edition has no exact cache, the
    plan demands zero retention, or the model is not a chat model.
    """
    plan = policy.plan(caller.account.plan)
    bounds = () if plan is None else (plan.regions, plan.providers, plan.retention)
    if (
        not policy.cache.exact
        or CHAT not in resolved.model.surfaces
        or (plan is not None and is_zero_retention(plan.retention))
    ):
        return None
    bound = resolved.provider is not None or bool(caller.providers or caller.denied_providers)
    wide = caller.account.shared_cache and not bound
    scope = caller.account_id.bytes if wide else caller.account_id.bytes + caller.key_id.bytes
    rules = (resolved.provider, sorted(caller.providers), sorted(caller.denied_providers), bounds)
    facts = (policy.name, [_sold(each) for each in offers], rules)
    return CacheLane(scope, facts, policy.cache, wide, _semantic_lane(policy.cache, caller))


def check_cache_rules(lane: CacheLane | None, stated: CacheRules) -> None:
    """Raise PermissionDenied if the request's `cache` field asks for what its account forbids."""
    if lane is not None and lane.semantic is not None:
        lane.semantic.check(stated)


def is_zero_retention(retention: str | None) -> bool:
    """Return whether a retention limit is zero, in any of its spellings: such requests are never cached."""
    return bool(retention) and retention_days(retention or "") == 0


def _semantic_lane(policy: CachePolicy, caller: Caller) -> SemanticLane | None:
    """Return the account's semantic cache settings, or None if the edition has no semantic cache."""
    if not policy.semantic:
        return None
    account = caller.account.semantic
    trial = max(0, policy.semantic_trial - account.compared)
    return SemanticLane(caller.account_id, account.state, trial, account.epoch, account.by_request)


def _sold(offers: ModelOffers) -> tuple[object, ...]:
    """Return a model's name and its endpoints: what a name refers to may change while the server runs."""
    return (
        offers.model.name,
        [(each.name, each.endpoint.upstream_model, each.endpoint.provider.base_url) for each in offers.ready.values()],
    )
