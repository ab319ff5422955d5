"""Runs a command of Token Harbor on a machine whose clock is ahead: `clock_ahead.py HOURS python -m tokenharbor …`.

Only the clock of the world is moved, which is all that the program asks for the time; PostgreSQL keeps its own.
"""

import runpy
import sys
from datetime import UTC, datetime, timedelta

from tokenharbor.kernel.clock import SystemClock


def main() -> None:
    ahead = timedelta(hours=float(sys.argv[1]))

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    def unix_ms(_: SystemClock) -> int:
        return int(now().timestamp() * 1000)

    setattr(SystemClock, "now", staticmethod(now))  # noqa: B010  a method
    setattr(SystemClock, "unix_ms", unix_ms)  # noqa: B010  likewise
    sys.argv = ["tokenharbor", *sys.argv[5:]]
    runpy.run_module("tokenharbor", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
