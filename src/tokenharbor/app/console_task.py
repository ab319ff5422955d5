"""What the console's process is started for, and where it listens."""

from typing import Final

import msgspec

from tokenharbor.db.pool import Login

CONSOLE_SOCKET: Final = "console.sock"
"""Under HOME: the gateway forwards to it."""


RELOAD: Final = b"reload\n"
"""A further line: edition and catalogue are to be read anew."""


class ConsoleTask(msgspec.Struct, frozen=True):
    """The first line on its stdin, as JSON. `browser_url` is where browsers find the server. Without `login` it logs in
    to the database as the server does.
    """

    home: str
    config: str
    database_url: str
    login: Login | None
    browser_url: str
