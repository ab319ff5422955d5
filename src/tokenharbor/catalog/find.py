"""Names: from what a caller writes to the model, and to the provider if the name pins one.

| written | means |
|---|---|
| `name` | the model |
| an alias, such as a dated id | the model |
| `provider/name` | the model at that provider and nowhere else |
| `vendor/name` | the model; the prefix only says who made it |

Where a vendor also sells (`anthropic/claude-…`, `deepseek/deepseek-…`), both of the last two read the same, and the
pin wins. A caller who meant a boundary must get it; a caller who wants failover leaves the prefix out. Where the vendor
does not sell the model here, its prefix pins nothing, so that names copied from other gateways work.
"""

import difflib
from collections.abc import Collection, Iterator

from tokenharbor.catalog.types import Catalog, Model, ResolvedName

_LONGEST = 128  # of a name that is compared with the known ones


class NameIndex:
    """Every name of every model; a pure look-up, built once."""

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
        """What a name means; None if it means nothing."""
        return self._found.get(name)

    def nearest(self, name: str, count: int = 3) -> tuple[str, ...]:
        """The canonical names most like an unknown one, best first; none if none is much like it."""
        name = name[:_LONGEST].lower().rpartition("/")[2]
        grams = _grams(name)
        likeness: dict[str, float] = {}
        for known, model in self._grams:
            score = len(grams & known) / len(grams | known)
            likeness[model] = max(score, likeness.get(model, 0.0))
        best = sorted(likeness, key=lambda model: (-likeness[model], model))
        alike = tuple(model for model in best[:count] if likeness[model] > 0.3)
        return alike or close_names(name, likeness, count)  # a slip in a short name


def close_names(name: str, known: Collection[str], count: int = 3) -> tuple[str, ...]:
    """Those that differ from a name by a slip, the closest first."""
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
    """Every name that a model claims, whether or not another has a better claim to it."""
    for rank in _RANKS:
        for name, _ in rank(model):
            yield name


def _grams(name: str) -> frozenset[str]:
    """A name's pairs of letters, its edges included."""
    edged = f"^{name.lower()}$"
    return frozenset(edged[place : place + 2] for place in range(len(edged) - 1))
