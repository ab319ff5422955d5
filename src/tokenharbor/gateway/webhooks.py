"""Webhooks of payment processors: their bytes are passed on as they came, and answered once the event is kept."""

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
"""How many refused events of one address are looked at in a minute; then none of its are, for the rest of it."""

_MINUTE_SECONDS = 60.0
_MOST_SENDERS = 10_000
_TEXT = b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
_log = structlog.get_logger("webhooks")

ReceiveWebhook = Callable[[str, Mapping[str, str], bytes], Awaitable[bool]]
"""Keeps an event, by its processor's name, its headers and its body; whether it is news. See `funding/events.py`."""


class WebhookHandler:
    """Serves `POST /api/webhooks/{processor}`. What its processor did not send is refused, counted and logged; what is
    not answered with 200 is sent again.
    """

    def __init__(self, receive: ReceiveWebhook, alarms: Alarms, clock: Clock) -> None:
        self._receive = receive
        self._alarms = alarms
        self._forgers = _Forgers(clock)

    async def serve(self, exchange: Exchange, processor: str) -> None:
        sender = _sender(exchange.peer)
        if self._forgers.is_refused(sender):
            self._answer(exchange, 429, "Too many events of this address were refused. Send it later.")
            return
        body = await self._read(exchange)
        if body is None:
            self._answer(exchange, 413, f"At most {LONGEST_WEBHOOK} bytes.")
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in exchange.headers}
        try:
            with as_database_unavailable():
                news = await self._receive(processor, headers, body)
        except Missing:
            self._answer(exchange, 404, "No such processor is configured here.")
        except ForgedEvent as error:
            self._alarms.report_payment(Alarm.WEBHOOK_FORGED, str(error), processor)
            self._forgers.add(sender)
            self._answer(exchange, 400, "This is no event of the processor.")
        except (ProcessorUnavailable, DatabaseUnavailable) as error:
            _log.error("webhook_not_kept", processor=processor, reason=str(error))
            self._answer(exchange, 503, "Send it again.")
        else:
            self._answer(exchange, 200, "kept" if news else "known")

    @staticmethod
    async def _read(exchange: Exchange) -> bytes | None:
        """The raw bytes; None if there are too many."""
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
    """Whose events were refused in this minute, and how often."""

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
    """An address, or the network of one of IPv6. "" is nobody's: behind a proxy that is not trusted all look alike, and
    none is to pay for the others.
    """
    try:
        address = ip_address(peer)
    except ValueError:
        return ""
    if not address.is_global:
        return ""
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else peer
