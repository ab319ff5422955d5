"""The check of an edition's model pools against the catalogue."""

from collections.abc import Iterator
from pathlib import Path

from tokenharbor.catalog.find import NameIndex
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.files import find_edition, read_stated
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.tables import ConfigFaults

_SECTION = "orchestra"


def check_pools(edition: str, policy: Policy, catalog: Catalog) -> None:
    """Check every model of every pool. Raises Misconfigured with the file and line of each fault."""
    found = list(_find_faults(policy, catalog))
    if found:
        faults = ConfigFaults()
        place = read_stated(find_edition(edition, Path())).place(faults, _SECTION)
        for field, message in found:
            place.fault(f"{field}: {message}", field)
        faults.raise_any()


def _find_faults(policy: Policy, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Yield the field and message of each fault."""
    orchestra = policy.orchestra
    if not orchestra.name:
        return
    index = NameIndex(catalog)
    if index.find(orchestra.name) is not None:
        yield "name", f"{orchestra.name!r} is a model in the catalogue: choose another name"
    for stage, names in orchestra.pools().items():
        for name in names:
            model = catalog.models.get(name)
            if model is None:
                near = index.nearest(name, 1)
                yield stage, f"no model {name!r} in the catalogue{f'; did you mean {near[0]!r}?' if near else ''}"
            elif CHAT not in model.surfaces:
                yield stage, f"{name} is not a chat model"
            elif model.free:
                yield stage, f"{name} is a free model, which needs an account's consent: it cannot be in a pool"
