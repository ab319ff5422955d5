"""Names that one reader takes for another name: in other case, with brackets, with blanks around them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

_SHOWN = 60


def fold(name: str) -> str:
    """What a careless reader makes of a name: `Seconds`, `seconds[]` and ` seconds` are all `seconds`."""
    return name.partition("[")[0].strip().casefold()


def meant_by(name: str, known: AbstractSet[str], folded: Mapping[str, str] | None = None) -> str | None:
    """The known name of which this one is another spelling. `folded` has the known ones by what they fold to, where
    that is something else than themselves.
    """
    if name in known:
        return None
    plain = fold(name)
    return plain if plain in known else folded.get(plain) if folded else None


def shown(name: str) -> str:
    """A caller's own name, as far as an error repeats it."""
    return name[:_SHOWN]
