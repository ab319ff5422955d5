"""A first call of a model, as it is typed, for each client that can make it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from tokenharbor.catalog.surfaces import CHAT

NO_KEY: Final = "$TOKENHARBOR_KEY"
"""What stands for a key that is not known."""


@dataclass(frozen=True, slots=True)
class ClientText:
    """A client's command or program, with `<origin>`, `<key>` and `<model>` in it."""

    id: str
    name: str
    surface: str
    text: str

    def filled(self, origin: str, model: str) -> str:
        return self.text.replace("<origin>", origin).replace("<key>", NO_KEY).replace("<model>", model)


def read_clients() -> Sequence[ClientText]:
    """From commands.toml."""
    stated = tomllib.loads(files("tokenharbor.console.site").joinpath("commands.toml").read_text("utf-8"))
    return [ClientText(**{**each, "text": each["text"].strip()}) for each in stated["clients"]]


def chat_commands() -> Sequence[dict[str, str]]:
    """Those that the dashboard shows (`make generated`)."""
    return [{"id": each.id, "name": each.name, "text": each.text} for each in read_clients() if each.surface == CHAT]
