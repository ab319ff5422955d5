"""The journal: a gateway's file of settlements that the database did not confirm in time.

The invariant: a complete answer leaves only when its settlement is durable, in the database or in this file. A gateway
replays the journals of its earlier runs when it starts. A settlement may be in both places, as request ids make a
replay idempotent.
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.files import sync_folder
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.types import Product, Settlement

_SUFFIX = ".journal"
_REFUSED = ".refused"
_MOST_AT_ONCE = 4096  # settlements in one line
_MOST_WAITING = 1_000_000
_CHECK_LENGTH = 32  # hexadecimal digits of the checksum
_ENCODER = msgspec.json.Encoder(enc_hook=int)  # amounts
_log = structlog.get_logger("journal")


def _amount(kind: Any, number: int) -> Any:
    return kind(number)


_DECODER = msgspec.json.Decoder(list[Settlement], dec_hook=_amount)


class Journal:
    """The journal of one run of a gateway. Settlements appended at the same time share a line, a write and a sync, in a
    thread.

    A line is a checksum and a JSON list. A failed write is truncated away, so the last line is either whole or the torn
    end of a write that was never acknowledged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0  # bytes acknowledged
        self._unconfirmed: set[UUID] = set()
        self._batcher: Batcher[Settlement | None, None] = Batcher(self._write, batch=_MOST_AT_ONCE, queue=_MOST_WAITING)

    def append(self, settlement: Settlement) -> asyncio.Future[None]:
        """Return a future that is done once the settlement is durable. On OSError, nothing of it stays in the file."""
        self._unconfirmed.add(settlement.request_id)
        return self._batcher.submit(settlement)

    def confirm(self, request_id: UUID) -> None:
        """Note that the database has a settlement. Once it has all of them, the file is emptied."""
        self._unconfirmed.discard(request_id)
        if not self._unconfirmed:
            self._batcher.submit(None).add_done_callback(_retrieve_error)

    async def close(self) -> None:
        """Close the file, and remove it unless a settlement in it is unconfirmed."""
        await self._batcher.barrier()
        os.close(self._descriptor)
        self._descriptor = -1
        if not self._unconfirmed:
            self._file.unlink(missing_ok=True)

    async def _write(self, rows: Sequence[Settlement | None]) -> Sequence[Answer[None]]:
        due = [row for row in rows if row is not None and row.request_id in self._unconfirmed]
        new = {row.request_id for row in due}
        if self._size and self._unconfirmed <= new:
            await _in_a_thread(self._empty)
        try:
            if due:
                await _in_a_thread(partial(self._append, _line(due)))
        except OSError:
            self._unconfirmed -= new
            raise
        return [None] * len(rows)

    def _append(self, line: bytes) -> None:
        if not os.fstat(self._descriptor).st_nlink:  # nothing written now could be found again
            raise FileNotFoundError(errno.ENOENT, "the journal was removed while its gateway runs", str(self._file))
        os.ftruncate(self._descriptor, self._size)  # remove the rest of a failed write, if that failed before
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def _empty(self) -> None:
        try:
            os.ftruncate(self._descriptor, 0)
        except OSError as error:  # harmless: a replay is idempotent by request id
            _log.warning("journal_not_emptied", file=str(self._file), reason=str(error))
        else:
            self._size = 0


def open_journal(folder: Path, gateway_id: UUID) -> Journal:
    """Create the empty journal of a gateway's run. Raises Misconfigured."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        journal = Journal(folder.joinpath(f"{gateway_id}{_SUFFIX}"))
        sync_folder(folder)
    except OSError as error:
        raise Misconfigured(f"{folder}: cannot write the journal: {error.strerror}") from error
    return journal


def left_journals(folder: Path) -> Sequence[Path]:
    """Return the journals that earlier runs left, oldest first. Raises Misconfigured."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == _SUFFIX) if folder.exists() else []
    except OSError as error:
        raise Misconfigured(f"{folder}: cannot read the journals: {error.strerror}") from error


def read_journal(file: Path) -> Sequence[Settlement]:
    """Return the settlements of a journal. A torn last line is skipped: it was never acknowledged. Raises Misconfigured
    for any other damage and for a file that cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise Misconfigured(f"{file}: cannot read the journal: {error.strerror}") from error
    if torn := lines.pop():
        _log.warning("journal_torn", file=str(file), bytes=len(torn))
    return [settlement for number, line in enumerate(lines, 1) for settlement in _read_line(line, file, number)]


def remove_journal(file: Path) -> None:
    """Remove a journal whose settlements are all in the database. Raises Misconfigured."""
    try:
        file.unlink()
        sync_folder(file.parent)
    except OSError as error:
        raise Misconfigured(f"{file}: cannot remove the journal: {error.strerror}") from error


def set_journal_aside(file: Path) -> None:
    """Rename a journal of which the books refused a settlement: it is kept for the operator and not replayed again.
    Raises Misconfigured.
    """
    try:
        file.rename(file.with_suffix(_REFUSED))
        sync_folder(file.parent)
    except OSError as error:
        raise Misconfigured(f"{file}: cannot move the journal aside: {error.strerror}") from error


def purge_refused(folder: Path, before: datetime) -> int:
    """Delete the metadata of set-aside charges that ended before a time; account, key and amounts stay. Return how many
    charges were purged. Raises Misconfigured.
    """
    purged = 0
    for file in sorted(folder.glob(f"*{_REFUSED}")):
        found = read_journal(file)
        old = {each.request_id for each in found if each.at < before and each.detail}
        if old:
            kept = [_without_metadata(each) if each.request_id in old else each for each in found]
            _replace(file, b"".join(_line(kept[at : at + _MOST_AT_ONCE]) for at in range(0, len(kept), _MOST_AT_ONCE)))
        purged += len(old)
    return purged


def _without_metadata(settlement: Settlement) -> Settlement:
    product = Product("", "", settlement.product.edition)
    return msgspec.structs.replace(settlement, product=product, status="", detail=b"", salt=b"", tokens=0)


def _replace(file: Path, content: bytes) -> None:
    replacement = file.with_suffix(".new")
    try:
        descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        replacement.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise Misconfigured(f"{file}: cannot write the journal: {error.strerror}") from error


def _in_a_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, work)


def _retrieve_error(emptied: asyncio.Future[None]) -> None:
    """Retrieve the error of an emptying, which `_empty` has logged, so that asyncio does not report it."""
    if not emptied.cancelled():
        emptied.exception()


def _line(settlements: Sequence[Settlement]) -> bytes:
    body = _ENCODER.encode(settlements)
    return b"%b %b\n" % (_checksum(body), body)


def _read_line(line: bytes, file: Path, number: int) -> Sequence[Settlement]:
    checksum, _, body = line.partition(b" ")
    if checksum == _checksum(body):
        try:
            return _DECODER.decode(body)
        except msgspec.MsgspecError:
            fault = "is in the format of another version"
    else:
        fault = "is damaged (wrong checksum)"
    raise Misconfigured(
        f"{file}: line {number} {fault}. The journal holds charges that the database may not have. Restore the file "
        "from a copy, or move it out of the folder and lose the charges that are only in it. Then start again."
    )


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_CHECK_LENGTH].encode()
