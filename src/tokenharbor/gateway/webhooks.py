"""Webhooks of payment processors: passed on byte for byte, and answered once the event is stored."""

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import structlog

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import DatabaseUnavailable, ForgedEvent, Missing, ProcessorUnavailable

LONGEST_WEBHOOK = 256 << 10

FORGED_A_MINUTE: Final = 20
"""Forged events of one address in a minute, after which its events are refused unread for the rest of it."""

_MINUTE_SECONDS = 60.0
_MOST_SENDERS = 10_000
_TEXT = b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
_log = structlog.get_logger("webhooks")

ReceiveWebhook = Callable[[str, Mapping[str, str], bytes], Awaitable[bool]]
"""Stores an event from its processor's name, its headers and its body. Returns whether it is new. See
`funding/events.py`.
"""


class WebhookHandler:
    """Serves `POST /api/webhooks/{processor}`. Forged events are refused, counted and logged. Processors send an event
    again until it is answered with 200.
    """

    def __init__(self, receive: ReceiveWebhook, alarms: Alarms, clock: Clock) -> None:
        self._receive = receive
        self._alarms = alarms
        self._forgers = _Forgers(clock)

    async def serve(self, exchange: Exchange, processor: str) -> None:
        sender = _sender(exchange.peer)
        if self._forgers.is_refused(sender):
            self._answer(exchange, 429, "Too many events from this address were refused. Try again later.")
            return
        body = await self._read(exchange)
        if body is None:
            self._answer(exchange, 413, f"The event is too large: the limit is {LONGEST_WEBHOOK} bytes.")
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in exchange.headers}
        try:
            with as_database_unavailable():
                news = await self._receive(processor, headers, body)
        except Missing:
            self._answer(exchange, 404, "No such processor is configured.")
        except ForgedEvent as error:
            self._alarms.report_payment(Alarm.WEBHOOK_FORGED, str(error), processor)
            self._forgers.add(sender)
            self._answer(exchange, 400, "Invalid signature: this event is not from the processor.")
        except (ProcessorUnavailable, DatabaseUnavailable) as error:
            _log.error("webhook_not_kept", processor=processor, reason=str(error))
            self._answer(exchange, 503, "Send it again.")
        else:
            self._answer(exchange, 200, "kept" if news else "known")

    @staticmethod
    async def _read(exchange: Exchange) -> bytes | None:
        """Return the raw body, or None if it is too large."""
        if exchange.body_bound > LONGEST_WEBHOOK and exchange.header(b"content-length") is not None:
            return None
        pieces: list[bytes] = []
        size = 0
        while piece := await exchange.read_piece():
            size += len(piece)
            if size > LONGEST_WEBHOOK:
                return None
            exchange.keep(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    @staticmethod
    def _answer(exchange: Exchange, status: int, text: str) -> None:
        exchange.respond(status, _TEXT, text.encode() + b"\n")


class _Forgers:
    """Counts of forged events in the current minute, by sender."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_seconds = 0.0  # by the monotonic clock
        self._refused: dict[str, int] = {}

    def is_refused(self, sender: str) -> bool:
        now = self._clock.monotonic()
        if now >= self._ends_seconds:
            self._ends_seconds = now + _MINUTE_SECONDS
            self._refused.clear()
        return self._refused.get(sender, 0) >= FORGED_A_MINUTE

    def add(self, sender: str) -> None:
        if sender and (sender in self._refused or len(self._refused) < _MOST_SENDERS):
            self._refused[sender] = self._refused.get(sender, 0) + 1


def _sender(peer: str) -> str:
    """Return a sender's IPv4 address or IPv6 /64 network; "" for others, which are never limited: behind an untrusted
    proxy all senders look alike.
    """
    try:
        address = ip_address(peer)
    except ValueError:
        return ""
    if not address.is_global:
        return ""
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else peer
