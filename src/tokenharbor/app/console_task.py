"""The task of the console's process, and the name of its socket."""

from typing import Final

import msgspec

from tokenharbor.db.pool import Login

CONSOLE_SOCKET: Final = "console.sock"
"""Unix socket under HOME, to which the gateway forwards requests."""


RELOAD: Final = b"reload\n"
"""Line on stdin that tells the console to reload edition and catalogue."""


class ConsoleTask(msgspec.Struct, frozen=True):
    """The first line on the console's stdin, as JSON. `browser_url` is the server's URL for browsers. Without `login`
    the console logs in to the database as the server does.
    """

    home: str
    config: str
    database_url: str
    login: Login | None
    browser_url: str
