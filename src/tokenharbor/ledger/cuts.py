"""The audit of signed cuts: an account's cuts compared with its entries and its line."""

from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import sha256

from tokenharbor.ledger.chain import segment_bytes
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.line import Line
from tokenharbor.ledger.merkle import tree_root
from tokenharbor.ledger.roots import Cut


class CutAudit:
    """A check of an account's cuts. It takes the entries' digests in order. Every call raises FaultError."""

    def __init__(self, cuts: Sequence[Cut]) -> None:
        self._cuts = cuts
        self._left = deque(cuts)
        self._leaves: list[bytes] = []
        self._last = 0

    def take(self, leaf: bytes) -> None:
        if self._left:
            self._leaves.append(leaf)

    def ends_at(self, seq: int) -> bool:
        return bool(self._left) and self._left[0].to_seq == seq

    def end(self, step: int, spent: int, chain: bytes) -> None:
        """Check a complete cut against the account's state after the cut's last entry."""
        cut = self._left.popleft()
        if cut.from_seq != self._last + 1:
            raise FaultError(f"no signed root covers the entries from {self._last + 1} to {cut.from_seq - 1}")
        stated = (cut.step, cut.spent, cut.chain, cut.tree)
        if stated != (step, spent, chain, tree_root(self._leaves)):
            raise FaultError(
                f"the entries {cut.from_seq} to {cut.to_seq} differ from the entries that root {cut.root} covers"
            )
        self._last = cut.to_seq
        self._leaves.clear()

    def close(self, line: Line) -> None:
        if self._left:
            cut = self._left[0]
            raise FaultError(
                f"root {cut.root} covers entry {cut.to_seq}, but the last entry is {self._last + len(self._leaves)}"
            )
        for cut, digest in zip(self._cuts, spent_lines(line, [cut.spent for cut in self._cuts]), strict=True):
            if digest != cut.line:
                raise FaultError(f"the spent part of the line differs from root {cut.root}")


def spent_lines(line: Line, positions: Sequence[int]) -> Iterator[bytes]:
    """Yield the digest of a line up to each of `positions`, which must ascend."""
    whole = sha256()
    left = deque(line)
    for position in positions:
        while left and left[0].end <= position:
            segment = left.popleft()
            whole.update(segment_bytes(segment.start, segment.end, segment.lot_id))
        upto = whole.copy()
        if left and left[0].start < position:
            upto.update(segment_bytes(left[0].start, position, left[0].lot_id))
        yield upto.digest()
