"""Variant spellings that a lenient reader takes for another name: other case, brackets, surrounding whitespace."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

_SHOWN = 60


def fold(name: str) -> str:
    """Return a name as a lenient reader may see it: `Seconds`, `seconds[]` and ` seconds` all become `seconds`."""
    return name.partition("[")[0].strip().casefold()


def meant_by(name: str, known: AbstractSet[str], folded: Mapping[str, str] | None = None) -> str | None:
    """Return the known name of which this one is another spelling, else None. `folded` maps folded forms to known names
    that differ from their folded form.
    """
    if name in known:
        return None
    plain = fold(name)
    return plain if plain in known else folded.get(plain) if folded else None


def shown(name: str) -> str:
    """Return a caller's own name, truncated for an error message."""
    return name[:_SHOWN]
