"""The audit of totals: an account's hours compared with the entries that they count."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.pages import StoredEntry

_HOUR = timedelta(hours=1)
_MONEY = 6
_NOTHING = (0,) * 9
_NEVER = datetime.min.replace(tzinfo=UTC)


class TotalsAudit:
    """A check of an account's totals by hour: billed requests, charge, fee, vendor's cost, overrun, loss, and the
    savings of the exact, the semantic and the vendors' caches. It takes the entries of requests. `counted` is the
    number of the last entry in the hours.
    """

    def __init__(self, counted: int, hours: Mapping[datetime, Sequence[int]]) -> None:
        self._counted = counted
        self._hours = hours
        self._sums: defaultdict[datetime, list[int]] = defaultdict(lambda: [*_NOTHING])
        self._without_detail: set[datetime] = set()  # hours with a request whose detail is gone
        self._from = self._until = _NEVER
        self._latest = [*_NOTHING]

    def take(self, written: StoredEntry) -> None:
        entry, summed = written.entry, written.summed
        if entry.seq > self._counted:
            return
        if not self._from <= entry.at < self._until:
            self._turn_to(entry.at)
        sums, billed = self._latest, entry.type == "usage"
        sums[0] += billed
        sums[1] += entry.amount
        sums[2] += entry.fee
        sums[3 if billed else 5] += entry.vendor_cost
        sums[4] += entry.over
        if summed is None:
            self._without_detail.add(self._from)
        elif summed.saved:
            sums[_MONEY + summed.layer] += summed.saved

    def _turn_to(self, at: datetime) -> None:
        """Look up the sums of an hour. Most entries are in the same hour as the one before, and need no look-up."""
        self._from = at.replace(minute=0, second=0, microsecond=0)
        self._until = self._from + _HOUR
        self._latest = self._sums[self._from]

    def close(self, last: int) -> None:
        """Compare all hours; `last` is the number of the account's last entry. Raises FaultError."""
        if self._counted > last:
            raise FaultError(f"totals count the entries to {self._counted}, but the last entry is {last}")
        for hour in sorted({*self._sums, *self._hours}):
            sums, hours = (*self._sums.get(hour, _NOTHING),), (*self._hours.get(hour, _NOTHING),)
            if sums[:_MONEY] != hours[:_MONEY]:
                raise FaultError(f"the totals of the hour of {hour:%Y-%m-%d %H:%M} differ from its entries")
            if hour not in self._without_detail and sums != hours:
                raise FaultError(f"the savings of caches in the hour of {hour:%Y-%m-%d %H:%M} differ from its requests")
