"""The hash chain of an account: one step per batch, over the digests of the batch's entries in order.

Idea: a head is sha256(previous head ‖ sha256(entry digests)), so that a changed, removed or reordered entry changes
every later head. An entry's digest covers its number, time, amounts, position on the line and, through `detail_digest`,
its request's detail or its postings with the line that they left (the seal). Details enter by digest only, so that the
chain still verifies once they are erased.

The invariant: the database computes the chain as it writes entries, `ledger verify` recomputes it with this file, and
the two agree byte for byte. Usage entries do not commit to the lots that they drew: that would cost every request, and
they follow from the position and the sealed line (decision 15).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.line import Line, Lot
from tokenharbor.ledger.posting import Posting

GENESIS = bytes(32)
"""The head of an account that has no entries."""

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SEVEN_NUMBERS = Struct(">7q")  # as `int8` each
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


def next_head(head: bytes, digests: Iterable[bytes]) -> bytes:
    """Return the head after a step."""
    return sha256(head + sha256(b"".join(digests)).digest()).digest()


def detail_digest(salt: bytes, detail: bytes) -> bytes:
    return sha256(salt + detail).digest()


def salted_version(salt: bytes, version: bytes) -> bytes:
    """Return the value that an entry without a provider's name has in place of its price version."""
    return sha256(salt + version).digest()


def entry_digest(entry: Entry) -> bytes:
    """Return an entry's leaf, which covers its position and amount. Same as `entry_digest` in the database."""
    numbers = (entry.seq, entry.pos, entry.amount, entry.fee, entry.vendor_cost, entry.over, microseconds(entry.at))
    return sha256(
        f"{entry.type}\0{entry.provider}\0{entry.reference}\0".encode()
        + entry.id.bytes
        + entry.account_id.bytes
        + _SEVEN_NUMBERS.pack(*numbers)
        + entry.detail_digest
        + entry.price_version
    ).digest()


def postings_digest(postings: Sequence[Posting]) -> bytes:
    """Return the digest of an entry's postings. Same as `legs_digest` in the database."""
    return sha256(b"".join([_posting_bytes(posting) for posting in postings])).digest()


def lot_digest(account_id: UUID, lot: Lot) -> bytes:
    """Return the digest of a lot's terms, each time marked present or absent. Same as `lot_digest` in the database."""
    texts = b"\0".join([lot.pool.encode(), lot.origin.encode(), b""])
    times = (lot.granted_at, lot.expires_at, lot.refundable_until, lot.withdrawable_from)
    marked = [b"\0" if at is None else b"\1" + int8(microseconds(at)) for at in times]
    return sha256(lot.id.bytes + account_id.bytes + texts + int8(lot.amount) + b"".join(marked)).digest()


def line_digest(line: Line) -> bytes:
    """Return the digest of a whole line. Same as `line_digest` in the database."""
    return sha256(b"".join([segment_bytes(s.start, s.end, s.lot_id) for s in line])).digest()


def segment_bytes(start: int, end: int, lot_id: UUID) -> bytes:
    return int8(start) + int8(end) + lot_id.bytes


def sealed_digest(postings: Sequence[Posting], terms: bytes, line: bytes) -> bytes:
    """Return the detail digest of an entry that changes the line. `terms` is the lot's digest for a credit, else empty;
    `line` is the digest of the line after the entry.
    """
    return sha256(postings_digest(postings) + terms + line).digest()


def int8(number: int) -> bytes:
    """Return a signed number as eight bytes, big-endian. Same as `int8send` in PostgreSQL."""
    return number.to_bytes(8, "big", signed=True)


def microseconds(at: datetime) -> int:
    """Return the microseconds since 2000-01-01 UTC, as PostgreSQL counts time."""
    return (at - _POSTGRES_EPOCH) // _MICROSECOND


def moment(count: int) -> datetime:
    """Return the time that `microseconds` converted."""
    return _POSTGRES_EPOCH + timedelta(microseconds=count)


def own_id(at: datetime, account_id: UUID, seq: int) -> UUID:
    """Return the id of an entry that the books make themselves, as a UUIDv7. Same as `own_id` in the database."""
    drawn = sha256(account_id.bytes + seq.to_bytes(8, "big")).digest()[:10]
    low = int.from_bytes(drawn, "big") & ~(0xF << 76) & ~(0b11 << 62)
    milliseconds = (at - _UNIX_EPOCH) // timedelta(milliseconds=1)
    return UUID(int=(milliseconds << 80) | _VERSION_7 | _VARIANT | low)


def _posting_bytes(posting: Posting) -> bytes:
    lot = b"" if posting.lot_id is None else posting.lot_id.bytes
    return b"\0".join(
        (posting.amount.to_bytes(8, "big") + lot, posting.source.encode(), posting.destination.encode(), b"")
    )
