"""What all requests of one key for one model have in common for the cache; a field of their lane."""

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
    """What an account has said of answers to questions in other words. `trial`: comparisons that are left before the
    first is given; `epoch`: answers of an earlier one are given no more; `by_request`: a request may ask for them where
    they are off.
    """

    account_id: UUID
    state: SemanticState
    trial: int
    epoch: int
    by_request: bool = True

    def check(self, wish: CacheRules) -> None:
        """Raises PermissionDenied for a request that asks for what its account forbids."""
        if wish.semantic and not self.by_request and self.state != "on":
            raise PermissionDenied(
                "This account does not let requests turn the semantic cache on: leave `cache.semantic` out. "
                "An owner of the account can change this (Settings, Caches).",
                param="cache.semantic",
            )

    def is_asked(self, wish: CacheRules | None) -> bool:
        """Whether a request may have such an answer: it has the say, but cannot start what was stopped."""
        said = None if wish is None else wish.semantic
        return self.state != "stopped" and (self.state == "on" if said is None else said)


class CacheLane(msgspec.Struct, frozen=True):
    """`scope` is whose requests may have each other's answers; `wide`: all of the account's. `facts` are what these
    requests have in common that could change an answer; `prefixes` the beginnings of their keys, by scope and kind.
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
            found = self.prefixes[scope, kind] = keys.begin(scope, kind, self.facts)
        return found

    @property
    def most_bytes(self) -> int:
        """Of sealed answers in this process."""
        return self.policy.memory_mib * _MIB


def cache_lane(policy: Policy, caller: Caller, found: ResolvedName, offers: Sequence[ModelOffers]) -> CacheLane | None:
    """None where no answer is kept: by the edition, by the plan's bound of retention, for what is not chat."""
    plan = policy.plan(caller.account.plan)
    bounds = () if plan is None else (plan.regions, plan.providers, plan.retention)
    if (
        not policy.cache.exact
        or CHAT not in found.model.surfaces
        or (plan is not None and keeps_nothing(plan.retention))
    ):
        return None
    bound = found.provider is not None or bool(caller.providers or caller.denied_providers)
    wide = caller.account.shared_cache and not bound
    scope = caller.account_id.bytes if wide else caller.account_id.bytes + caller.key_id.bytes
    rules = (found.provider, sorted(caller.providers), sorted(caller.denied_providers), bounds)
    facts = (policy.name, [_sold(each) for each in offers], rules)
    return CacheLane(scope, facts, policy.cache, wide, _semantic_lane(policy.cache, caller))


def check_wish(lane: CacheLane | None, wish: CacheRules) -> None:
    """Of a request that says something of the cache. Raises PermissionDenied for what its account forbids."""
    if lane is not None and lane.semantic is not None:
        lane.semantic.check(wish)


def keeps_nothing(retention: str | None) -> bool:
    """Whether a bound of retention allows none, in either of its spellings: then nothing is kept here either."""
    return bool(retention) and retention_days(retention or "") == 0


def _semantic_lane(policy: CachePolicy, caller: Caller) -> SemanticLane | None:
    """None where the edition has no such cache."""
    if not policy.semantic:
        return None
    said = caller.account.semantic
    trial = max(0, policy.semantic_trial - said.compared)
    return SemanticLane(caller.account_id, said.state, trial, said.epoch, said.by_request)


def _sold(offers: ModelOffers) -> tuple[object, ...]:
    """The model, and where it is asked: what is behind a name may change while a server runs."""
    return (
        offers.model.name,
        [(each.name, each.endpoint.upstream_model, each.endpoint.provider.base_url) for each in offers.ready.values()],
    )
