"""Live events of accounts for their watchers: balances, requests, cashback.

One task per process polls all watched accounts once a second, with three statements, and does nothing while there are
no watchers. Polling was chosen over NOTIFY, which would cost every settlement, watched or not, as PostgreSQL serialises
the commits that notify. Polling also works behind connection poolers.

An event's id is the number of the account's last entry when the event was made. A watcher that reconnects with an id
gets the requests and cashback of all later entries, and the current balance. It may get an event twice, but misses
none, except for requests that cost nothing and ended meanwhile.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog

from tokenharbor.accounts.credit_documents import BalanceDocument
from tokenharbor.billing.documents import RequestDocument
from tokenharbor.db.errors import is_unavailable
from tokenharbor.db.partitions import lowest_id
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document, encode_document
from tokenharbor.kernel.errors import DatabaseUnavailable, RateLimited
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World
from tokenharbor.ledger.live import WalletMark, read_ended, read_granted, read_marks
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.types import RewardKind

_POLL_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 2.0
_COMMIT_DELAY: Final = timedelta(seconds=5)  # a row may be committed this long after its time
_LONGEST_REQUEST: Final = timedelta(seconds=60)  # a free request that took longer is not reported
_MOST_REQUESTS: Final = 50  # requests of an account per poll
_MOST_UNREAD: Final = 500  # unread events of a watcher
_MOST_WATCHERS: Final = 200  # watchers (open pages) of one account
_MOST_IN_PROCESS: Final = 4_000  # watchers of the process
_MOST_REPORTED: Final = 2_000  # reported requests of an account, to avoid duplicates
_log = structlog.get_logger("console")


class CashbackEventDocument(Document, frozen=True):
    """Cashback just credited."""

    id: str
    at: datetime
    usd: Usd


class LiveEvent(Document, frozen=True):
    """An event for a watcher: its name, number and document."""

    name: str
    number: int
    document: Document

    def encode(self) -> bytes:
        """Encode the event as a server-sent event."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.number, self.name.encode(), encode_document(self.document))


@dataclass(eq=False)
class Watcher:
    """A client that watches an account, and its queue of events. None in the queue ends the stream."""

    events: asyncio.Queue[LiveEvent | None] = field(default_factory=lambda: asyncio.Queue(_MOST_UNREAD))

    def push(self, event: LiveEvent) -> None:
        """Queue an event. If the queue is full, end the watcher: its client reconnects with its last id."""
        try:
            self.events.put_nowait(event)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        while not self.events.empty():
            self.events.get_nowait()
        self.events.put_nowait(None)


@dataclass(eq=False)
class _Watched:
    """A watched account: its last polled state, its watchers, and the requests reported to them."""

    mark: WalletMark
    watchers: set[Watcher] = field(default_factory=set)
    reported: dict[UUID, None] = field(default_factory=dict)

    def mark_reported(self, request_id: UUID) -> bool:
        """Mark a request as reported; return whether it was not before."""
        if request_id in self.reported:
            return False
        self.reported[request_id] = None
        if len(self.reported) > _MOST_REPORTED:
            del self.reported[next(iter(self.reported))]
        return True


class LiveFeed:
    """The live events of this process: polls for all watchers while `run` runs."""

    def __init__(self, pool: asyncpg.Pool, world: World) -> None:
        self._pool = pool
        self._world = world
        self._accounts: dict[UUID, _Watched] = {}
        self._watched = asyncio.Event()
        self._ended = False

    def check_watcher_limits(self, account_id: UUID) -> None:
        """Check the limits on watchers, per account and in all. Raises RateLimited."""
        own = self._accounts.get(account_id)
        all_watchers = sum(len(each.watchers) for each in self._accounts.values())
        if (own is not None and len(own.watchers) >= _MOST_WATCHERS) or all_watchers >= _MOST_IN_PROCESS:
            raise RateLimited("Too many live pages are open: close some.", retry_after=30).because(
                ErrorReason.LIVE_PAGES_MOST
            )

    @contextlib.asynccontextmanager
    async def watch(self, account_id: UUID, after: int | None = None) -> AsyncIterator[Watcher]:
        """Watch an account from now on, or from after the entry `after`. The balance is sent after missed events."""
        watcher = Watcher()
        async with self._pool.acquire() as conn:
            mark = (await read_marks(conn, [account_id]))[account_id]
            self.check_watcher_limits(account_id)
            account = self._accounts.setdefault(account_id, _Watched(mark))
            account.watchers.add(watcher)
            self._watched.set()
            try:
                for event in await self._missed_events(conn, account_id, mark, after):
                    watcher.push(event)
            except BaseException:
                self._forget(account_id, watcher)
                raise
        if self._ended:
            watcher.end()
        try:
            yield watcher
        finally:
            self._forget(account_id, watcher)

    def _forget(self, account_id: UUID, watcher: Watcher) -> None:
        account = self._accounts[account_id]
        account.watchers.discard(watcher)
        if not account.watchers:
            del self._accounts[account_id]
        if not self._accounts:
            self._watched.clear()

    def end(self) -> None:
        """End all watchers, present and future."""
        self._ended = True
        for account in self._accounts.values():
            for watcher in account.watchers:
                watcher.end()

    async def run(self) -> None:
        """Poll until cancelled. If the database is unavailable, try again."""
        while True:
            await self._watched.wait()
            try:
                await self.poll()
            except (DatabaseUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if not isinstance(error, DatabaseUnavailable) and not is_unavailable(error):
                    raise
                _log.warning("live_feed_waits", reason=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(_POLL_SECONDS)

    async def poll(self) -> None:
        """Poll once, and queue all events since the last poll."""
        seen = {account_id: account.mark for account_id, account in self._accounts.items()}
        async with self._pool.acquire() as conn:
            marks = await read_marks(conn, seen)
            events = await self._new_events(conn, {each: mark.seq for each, mark in seen.items()}, marks)
            for account_id, mark in marks.items():
                if mark != seen[account_id]:
                    events.append((account_id, await self._balance(conn, account_id, mark.seq)))
        for account_id, mark in marks.items():
            if account_id in self._accounts:
                self._accounts[account_id].mark = mark
        for account_id, event in events:
            account = self._accounts.get(account_id)
            for watcher in list(account.watchers) if account is not None else ():
                watcher.push(event)

    async def _missed_events(
        self, conn: asyncpg.Connection, account_id: UUID, mark: WalletMark, after: int | None
    ) -> Sequence[LiveEvent]:
        missed: Sequence[tuple[UUID, LiveEvent]] = ()
        if after is not None and after < mark.seq:
            missed = await self._entries(conn, {account_id: after}, {account_id: mark}, self._world.clock.now())
        return [*(event for _, event in missed), await self._balance(conn, account_id, mark.seq)]

    async def _new_events(
        self, conn: asyncpg.Connection, seen: Mapping[UUID, int], marks: Mapping[UUID, WalletMark]
    ) -> list[tuple[UUID, LiveEvent]]:
        found = await self._entries(conn, seen, marks, self._world.clock.now() - _COMMIT_DELAY)
        return [(account_id, event) for account_id, event in found if self._is_new(account_id, event)]

    def _is_new(self, account_id: UUID, event: LiveEvent) -> bool:
        account = self._accounts.get(account_id)
        if account is None or not isinstance(event.document, RequestDocument):
            return account is not None
        return account.mark_reported(ids.parse("req", event.document.id))

    async def _entries(
        self,
        conn: asyncpg.Connection,
        seen: Mapping[UUID, int],
        marks: Mapping[UUID, WalletMark],
        ended_after: datetime,
    ) -> list[tuple[UUID, LiveEvent]]:
        """Return the requests and cashback after the entries `seen`, with their accounts."""
        began_after = lowest_id(self._world.clock.now() - _LONGEST_REQUEST)
        ended = await read_ended(conn, seen, began_after=began_after, ended_after=ended_after, most=_MOST_REQUESTS)
        granted = await read_granted(conn, seen, RewardKind.CASHBACK, _MOST_REQUESTS)
        events: list[tuple[UUID, Any]] = [
            (each.account_id, ("request", RequestDocument.of(each.record, each.amount))) for each in ended
        ]
        events += [
            (
                each.account_id,
                (
                    "cashback",
                    CashbackEventDocument(id=ids.show("ent", each.entry_id), at=to_second(each.at), usd=each.amount),
                ),
            )
            for each in granted
        ]
        return [
            (account_id, LiveEvent(name=name, number=marks[account_id].seq, document=document))
            for account_id, (name, document) in events
            if account_id in marks
        ]

    async def _balance(self, conn: asyncpg.Connection, account_id: UUID, number: int) -> LiveEvent:
        balance = await Wallets(conn).balance(account_id, self._world.clock.now())
        return LiveEvent(name="balance", number=number, document=BalanceDocument.of(balance))
