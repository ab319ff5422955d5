"""The id of a gateway: random, made once, and kept in its HOME."""

from pathlib import Path
from typing import Final

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.files import create_private
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World

GATEWAY_FILE: Final = "gateway.id"
"""Under HOME."""


def gateway_id(home: Path, world: World) -> UUID:
    """HOME's own, made on first use. Raises Misconfigured for a file that cannot be read or is damaged: by another id
    nobody would find what this gateway still holds.
    """
    path = home / GATEWAY_FILE
    try:
        if not path.exists():
            create_private(path, ids.show("gw", world.ids.new()) + "\n", world.entropy)
        return ids.parse("gw", path.read_text("ascii").strip())
    except OSError as error:
        raise Misconfigured(f"{path}: cannot use the gateway's id: {error.strerror or error}") from error
    except ValueError:
        raise Misconfigured(
            f"{path}: damaged: it does not hold a gateway's id (gw_ and 26 characters). Restore it from a copy, or "
            "take the id that tokenharbor gateways list shows for this HOME"
        ) from None
