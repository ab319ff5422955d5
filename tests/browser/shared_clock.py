"""A clock that stands still until it is moved, the same for all processes of a server: a file that each looks at.

Only the clock of the world is moved, which is all that the program asks for the time; PostgreSQL keeps its own.
"""

import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tokenharbor.kernel.clock import SystemClock

_FORM = struct.Struct("<qq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_monotonic = SystemClock.monotonic
_ROOT = Path(__file__).resolve().parent.parent.parent


class SharedClock:
    """The file has the moment, and how far the present call is ahead of the machine's monotonic clock."""

    def __init__(self, path: Path, start: datetime | None = None) -> None:
        self.path = path
        if start is not None:
            path.write_bytes(_FORM.pack((start - _EPOCH) // _MICROSECOND, 0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _FORM.size)

    def now(self) -> datetime:
        return _EPOCH + self._read()[0] * _MICROSECOND

    def unix_ms(self) -> int:
        return self._read()[0] // 1000

    def monotonic(self) -> float:
        return _monotonic() + self._read()[1] / 1e6

    def move_to(self, moment: datetime) -> None:
        """Time passes while nothing runs. What took a while has ended."""
        self._write(max(self._read()[0], (moment - _EPOCH) // _MICROSECOND), 0)

    def pass_ms(self, ms: int) -> None:
        """Time passes while something runs, which sees that it took so long; up to some seconds: leases end in time."""
        now, ahead = self._read()
        self._write(now + ms * 1000, ahead + ms * 1000)

    def environment(self) -> Mapping[str, str]:
        """What a process is started with whose clock this is to be."""
        return {"SHARED_CLOCK": str(self.path), "PYTHONPATH": f"{_ROOT / 'tests/browser/moved_clock'}:{_ROOT}"}

    def install(self) -> None:
        """In this process, to its end."""
        for name in ("now", "monotonic", "unix_ms"):
            setattr(SystemClock, name, staticmethod(getattr(self, name)))

    @contextmanager
    def here(self) -> Iterator[None]:
        """In this process, while the `with` lasts."""
        usual = {name: SystemClock.__dict__[name] for name in ("now", "monotonic", "unix_ms")}
        self.install()
        try:
            yield
        finally:
            for name, each in usual.items():
                setattr(SystemClock, name, each)

    def _read(self) -> tuple[int, int]:
        moment, ahead = _FORM.unpack_from(self._shared)
        return moment, ahead

    def _write(self, moment: int, ahead: int) -> None:
        _FORM.pack_into(self._shared, 0, moment, ahead)
