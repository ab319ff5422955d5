"""The way to the console: its process listens on a socket under HOME, and stands behind our port."""

from pathlib import Path

from tokenharbor.http.client import Client
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Deadlines
from tokenharbor.http.origin import Origin
from tokenharbor.http.proxy import forward

_DEADLINES = Deadlines(connect=1, first_event=30, between_events=300, total=3600)  # pages, and events for a live page


API = "/api/"
"""What the console's paths for programs begin with."""


class Console:
    """Pages and `/api`, served by another process. `enabled`: this server has one, though it may be starting."""

    def __init__(self, socket: Path, client: Client, *, enabled: bool = True, has_pages: bool = False) -> None:
        self.enabled = enabled
        self._socket = socket
        self._client = client
        self._has_pages = has_pages
        self._origin = Origin("console", 80, unix=str(socket))

    @property
    def shows_pages(self) -> bool:
        """Whether it runs, and the dashboard is built."""
        return self.enabled and self._has_pages and self._socket.is_socket()

    async def serve(self, exchange: Exchange) -> None:
        """Raises Unavailable if it does not answer, as while it starts."""
        await forward(exchange, self._client, self._origin, _DEADLINES)
