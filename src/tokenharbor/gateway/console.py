"""The proxy to the console: a separate process, which listens on a socket under HOME."""

from pathlib import Path

from tokenharbor.http.client import Client
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Deadlines
from tokenharbor.http.origin import Origin
from tokenharbor.http.proxy import forward

_DEADLINES = Deadlines(connect=1, first_event=30, between_events=300, total=3600)  # pages, and events for a live page


API = "/api/"
"""The prefix of the console's API paths."""


class Console:
    """Proxy of pages and `/api` to the console's process. `enabled`: this server has a console, which may be
    starting.
    """

    def __init__(self, socket: Path, client: Client, *, enabled: bool = True, has_pages: bool = False) -> None:
        self.enabled = enabled
        self._socket = socket
        self._client = client
        self._has_pages = has_pages
        self._origin = Origin("console", 80, unix=str(socket))

    @property
    def shows_pages(self) -> bool:
        """Whether the console is running and the dashboard was built."""
        return self.enabled and self._has_pages and self._socket.is_socket()

    async def serve(self, exchange: Exchange) -> None:
        """Pass an exchange on to the console. Raises Unavailable if it does not answer, for example while it starts."""
        await forward(exchange, self._client, self._origin, _DEADLINES)
