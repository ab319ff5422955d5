"""Model pools in the list of models: without a price, but with the models of each stage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tokenharbor.catalog.describe import worst_retention
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import Model
from tokenharbor.gateway.offers import ModelOffers
from tokenharbor.gateway.pools import Pools
from tokenharbor.identity.caller import Caller
from tokenharbor.orchestra.stage import Stage

_ABILITIES = frozenset({"tools", "json_schema", "vision", "pdf", "audio", "reasoning"})
"""Capabilities that a request may need; others concern how requests to the model are written."""

HasProvider = Callable[[ModelOffers], bool]
"""Whether a key's rules allow some provider of a model."""


def describe_pools(pools: Pools, caller: Caller | None, has_provider: HasProvider) -> Iterator[dict[str, Any]]:
    """Yield an object for each pool name with models that can be served and that this caller may use."""
    for name, pinned in pools.names.items():
        listed = frozenset[str]() if caller is None else caller.models
        whole = not listed or bool({pools.policy.name, name} & listed)
        found: dict[Stage, Sequence[Model]] = {}
        for stage, pool in pools.models.items():
            allowed = [each for each in pool if each.ready and (whole or each.model.name in listed)]
            models = [each.model for each in allowed if not each.model.free and has_provider(each)]
            if models and pinned in (None, stage):
                found[stage] = models
        if found:
            yield _describe(name, found)


def _describe(name: str, found: Mapping[Stage, Sequence[Model]]) -> dict[str, Any]:
    """Describe a pool name by what every stage can do: a request within these limits can be served at any stage."""
    pools = list(found.values())
    models = [model for pool in pools for model in pool]
    able = [frozenset[str]().union(*[model.capabilities for model in pool]) for pool in pools]
    context = min(max(model.context for model in pool) for pool in pools)
    most = min(max(model.max_output for model in pool) for pool in pools)
    created = max(model.created for model in models)
    return {
        "id": name,
        "object": "model",
        "type": "model",
        "created": created,
        "created_at": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "owned_by": name.partition("/")[0],
        "display_name": name,
        "lifecycle": "active",
        "expiration_date": None,
        "context_length": context,
        "max_input_tokens": context,
        "max_tokens": most,
        "max_output_tokens": most,
        "capabilities": sorted(_ABILITIES.intersection(*able)),
        "surfaces": [CHAT],
        "free": False,
        "aliases": [],
        "pricing": None,
        "providers": [],
        "retention": worst_retention(each.provider.retention for model in models for each in model.endpoints),
        "pools": {stage.value: [model.name for model in pool] for stage, pool in found.items()},
    }
