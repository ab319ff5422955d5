"""Processor events: stored once, then handled until the object that they are about has been read again.

Invariant: an event is only a hint, and no credit depends on it. The row says that its id was seen; it is marked as
handled only when everything that follows is done. Until then it is tried again, whichever process died. The sweeps find
the same changes without any event.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import asyncpg

from tokenharbor.db.each_row import EachRow, concerns_all, log_row_fault
from tokenharbor.db.queries import read_queries
from tokenharbor.funding import store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.disputes import handle_dispute
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.payouts import handle_payout
from tokenharbor.funding.refund_calls import handle_capture, handle_refund
from tokenharbor.funding.types import TopUp
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing, ProcessorError, reason_of
from tokenharbor.payments.types import EventSubject, ProcessorEvent

GIVEN_UP_AFTER: Final = timedelta(days=7)

_AT_ONCE = 10
_OVERLAP = timedelta(hours=1)  # a processor may list an event late
_FIRST_SWEEP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class EventQueries:
    """The SQL of events.sql."""

    add: str
    claim: str
    set_handled: str
    set_fault: str
    swept_until: str
    set_swept: str


SQL = read_queries(EventQueries, "tokenharbor.funding", "events.sql")


async def receive_webhook(funding: Funding, processor: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Store a webhook's event; `handle_events` handles it later. Return whether it is new.

    Raises Missing for an unknown processor; ForgedEvent; ProcessorUnavailable if the event cannot be checked now;
    DatabaseUnavailable.
    """
    event = await funding.known_processor(processor).read_event(headers, body)
    async with funding.acquire() as conn:
        return await _add(conn, processor, event, funding.world.clock.now())


async def handle_events(funding: Funding) -> int:
    """Handle at most ten events that are due. Return how many were due. Raises DatabaseUnavailable."""
    async with funding.acquire() as conn:
        rows = await conn.fetch(SQL.claim, funding.world.clock.now(), _AT_ONCE)
    for row in rows:
        await _handle_one(funding, row["processor"], _event(row))
    return len(rows)


async def sweep_events(funding: Funding) -> None:
    """List each processor's events since the last sweep, to find those for which no webhook arrived.

    Raises the first failure of a processor after all were asked.
    """
    each = EachRow("processor_events")
    await each.do(funding.processors, partial(_sweep, funding))
    each.end()


async def _sweep(funding: Funding, processor: str) -> None:
    now = funding.world.clock.now()
    async with funding.acquire() as conn:
        since = await conn.fetchval(SQL.swept_until, processor) or now - _FIRST_SWEEP
    events = await funding.processor(processor).list_events(min(since, now) - _OVERLAP)
    async with funding.change() as conn:
        for event in events:
            await _add(conn, processor, event, now)
        await conn.execute(SQL.set_swept, processor, now)


async def _handle_one(funding: Funding, processor: str, event: ProcessorEvent) -> None:
    """Handle one event. A failure is stored in its row, and the event is tried again; other events go on."""
    try:
        outcome = await _handle(funding, processor, event)
    except Exception as error:
        if concerns_all(error):
            raise
        if not isinstance(error, ProcessorError):
            log_row_fault("payments", event.event_id, error)
        await _keep(funding, processor, event, reason_of(error))
    else:
        await _close(funding, processor, event, outcome)


async def _handle(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """Handle an event by its subject. Return a note on it, "" if all is done."""
    handler = HANDLERS.get(event.subject)
    return "nothing follows from this event" if handler is None else await handler(funding, processor, event)


async def _handle_payment(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    async with funding.acquire() as conn:
        top_up = await _find(conn, processor, event)
    if top_up is None:
        return "not about a top-up of ours"
    await fulfil(funding, top_up.id)
    return ""


async def _find(conn: asyncpg.Connection, processor: str, event: ProcessorEvent) -> TopUp | None:
    """Find the top-up by the processor's object, else by our id in the event.

    Trusting that id is safe: only the top-up's own payment is read for it.
    """
    known = await store.find_by_object(conn, processor, event.object_id)
    if known is not None or event.top_up_id is None:
        return known
    try:
        named = await store.get_top_up(conn, ids.parse("topup", event.top_up_id))
    except (ValueError, Missing):  # the id of another system
        return None
    return named if named.processor == processor else None


EventHandler = Callable[[Funding, str, ProcessorEvent], Awaitable[str]]

HANDLERS: Mapping[EventSubject, EventHandler] = {
    EventSubject.PAYMENT: _handle_payment,
    EventSubject.REFUND: handle_refund,
    EventSubject.CAPTURE: handle_capture,
    EventSubject.DISPUTE: handle_dispute,
    EventSubject.PAYOUT: handle_payout,
}
"""The handlers of events, by subject. Each returns a note on the event, "" if all is done."""


async def _add(conn: asyncpg.Connection, processor: str, event: ProcessorEvent, now: datetime) -> bool:
    added = await conn.fetchval(
        SQL.add,
        processor, event.event_id, event.kind, event.subject.value, event.object_id, event.top_up_id, event.at, now,
    )  # fmt: skip
    return added is not None


async def _close(funding: Funding, processor: str, event: ProcessorEvent, note: str) -> None:
    async with funding.acquire() as conn:
        await conn.execute(SQL.set_handled, processor, event.event_id, funding.world.clock.now(), note)


async def _keep(funding: Funding, processor: str, event: ProcessorEvent, fault: str) -> None:
    oldest = funding.world.clock.now() - GIVEN_UP_AFTER
    async with funding.acquire() as conn:
        await conn.execute(SQL.set_fault, processor, event.event_id, fault, oldest)


def _event(row: asyncpg.Record) -> ProcessorEvent:
    fields = {name: value for name, value in row.items() if name not in ("processor", "subject")}
    return ProcessorEvent(**fields, subject=EventSubject(row["subject"]))
