"""The id of a gateway: random, created once, and stored in its HOME."""

from pathlib import Path
from typing import Final

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.files import create_private_file
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World

GATEWAY_FILE: Final = "gateway.id"
"""File of the id, under HOME."""


def gateway_id(home: Path, world: World) -> UUID:
    """Return the id of HOME's gateway, created on first use.

    Raises Misconfigured if the file is unreadable or damaged: under a new id, nobody would release the old one's holds.
    """
    path = home / GATEWAY_FILE
    try:
        if not path.exists():
            create_private_file(path, ids.show("gw", world.ids.new()) + "\n", world.entropy)
        return ids.parse("gw", path.read_text("ascii").strip())
    except OSError as error:
        raise Misconfigured(f"{path}: cannot use the gateway's id: {error.strerror or error}") from error
    except ValueError:
        raise Misconfigured(
            f"{path}: damaged: not a gateway's id (gw_ and 26 characters). Restore it from a copy, or "
            "write the id that tokenharbor gateways list shows for this HOME"
        ) from None
