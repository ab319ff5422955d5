"""The audit of stages of work: an account's totals compared with the details of its requests."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from tokenharbor.kernel.usage import INPUT_UNITS, OUTPUT_UNITS
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.pages import StoredEntry

_NOTHING = (0,) * 7
_SAVED = 4  # the index of the first saving


class StageAudit:
    """A check of an account's totals by UTC day and stage: billed requests, charge, tokens of input and output, and the
    savings of the exact, the semantic and the vendors' caches. It takes the entries of requests. `counted` is the
    number of the last entry in the totals.
    """

    def __init__(self, counted: int, totals: Mapping[tuple[date, str], Sequence[int]]) -> None:
        self._counted = counted
        self._totals = totals
        self._sums: defaultdict[tuple[date, str], list[int]] = defaultdict(lambda: [*_NOTHING])
        self._without_detail: set[date] = set()  # days with a request whose detail is gone

    def take(self, written: StoredEntry) -> None:
        entry, summed = written.entry, written.summed
        if entry.seq > self._counted or entry.type != "usage":
            return
        if summed is None:
            self._without_detail.add(entry.at.date())
        elif summed.stage:
            sums, used = self._sums[entry.at.date(), summed.stage], summed.usage
            sums[0] += 1
            sums[1] += entry.amount
            sums[2] += sum([getattr(used, unit) for unit in INPUT_UNITS])
            sums[3] += sum([getattr(used, unit) for unit in OUTPUT_UNITS])
            sums[_SAVED + summed.layer] += summed.saved

    def close(self) -> None:
        """Compare all totals, except of days with an erased detail. Raises FaultError."""
        for day, stage in sorted({*self._sums, *self._totals}):
            sums = (*self._sums.get((day, stage), _NOTHING),)
            if day not in self._without_detail and sums != (*self._totals.get((day, stage), _NOTHING),):
                raise FaultError(f"the totals of the stage {stage!r} on {day} differ from its requests")
