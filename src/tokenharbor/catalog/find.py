"""Resolution of a caller's model name to the model, and to the provider if the name pins one.

    | written | means |
    |---|---|
    | `name` | the model |
    | an alias, such as a dated id | the model |
    | `provider/name` | the model at that provider and nowhere else |
    | `vendor/name` | the model; the prefix only names its maker |

If a vendor is also a provider (`anthropic/claude-…`, `deepseek/deepseek-…`), the last two look the same, and the pin
wins. A caller who meant a boundary must get it; a caller who wants failover omits the prefix. If the vendor does not
sell the model here, its prefix pins nothing, so that names copied from other gateways work.
"""

import difflib
from collections.abc import Collection, Iterator

from tokenharbor.catalog.types import Catalog, Model, ResolvedName

_LONGEST = 128  # characters of a name that are compared with the known ones


class NameIndex:
    """The names of all models; a pure look-up, built once."""

    __slots__ = ("_found", "_grams")

    def __init__(self, catalog: Catalog) -> None:
        self._found: dict[str, ResolvedName] = {}
        for rank in _RANKS:
            for model in catalog.models.values():
                for name, provider in rank(model):
                    self._found.setdefault(name, ResolvedName(model, provider))
        self._grams = [
            (_grams(name), model.name) for model in catalog.models.values() for name in (model.name, *model.aliases)
        ]

    def find(self, name: str) -> ResolvedName | None:
        """Return the meaning of a name; None if it is unknown."""
        return self._found.get(name)

    def nearest(self, name: str, count: int = 3) -> tuple[str, ...]:
        """Return the canonical names most similar to an unknown one, best first; empty if none is similar."""
        name = name[:_LONGEST].lower().rpartition("/")[2]
        grams = _grams(name)
        likeness: dict[str, float] = {}
        for known, model in self._grams:
            score = len(grams & known) / len(grams | known)
            likeness[model] = max(score, likeness.get(model, 0.0))
        best = sorted(likeness, key=lambda model: (-likeness[model], model))
        alike = tuple(model for model in best[:count] if likeness[model] > 0.3)
        return alike or close_names(name, likeness, count)  # a typing error in a short name


def close_names(name: str, known: Collection[str], count: int = 3) -> tuple[str, ...]:
    """Return the names that differ by a typing error, the closest first."""
    return tuple(difflib.get_close_matches(name[:_LONGEST], known, n=count, cutoff=0.6))


def _own_names(model: Model) -> Iterator[tuple[str, str | None]]:
    yield model.name, None


def _aliases(model: Model) -> Iterator[tuple[str, str | None]]:
    for alias in model.aliases:
        yield alias, None


def _pins(model: Model) -> Iterator[tuple[str, str | None]]:
    for endpoint in model.endpoints:
        for name in (model.name, *model.aliases):
            yield f"{endpoint.provider.name}/{name}", endpoint.provider.name


def _vendor_names(model: Model) -> Iterator[tuple[str, str | None]]:
    if model.vendor:
        for name in (model.name, *model.aliases):
            yield f"{model.vendor}/{name}", None


_RANKS = (_own_names, _aliases, _pins, _vendor_names)


def claimed_names(model: Model) -> Iterator[str]:
    """Yield every name that a model claims, even if it selects another model."""
    for rank in _RANKS:
        for name, _ in rank(model):
            yield name


def _grams(name: str) -> frozenset[str]:
    """Return a name's letter pairs, including its edges."""
    edged = f"^{name.lower()}$"
    return frozenset(edged[place : place + 2] for place in range(len(edged) - 1))
