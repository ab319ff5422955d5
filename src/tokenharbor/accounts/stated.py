"""Changes that state only some fields: the others are UNSET."""

from typing import Any

import msgspec


def stated_fields(change: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that a change states, by name."""
    return {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
