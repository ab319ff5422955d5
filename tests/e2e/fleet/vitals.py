"""What can be seen of a running server from outside: its memory, its open files and its threads."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAGE = 4096
_MIB = 1 << 20


@dataclass(frozen=True)
class Vitals:
    """Of one process, at one moment."""

    memory: int  # bytes resident
    files: int  # open, sockets included
    threads: int


def vitals_of(pid: int) -> Vitals:
    process = Path(f"/proc/{pid}")
    resident = int((process / "statm").read_text().split()[1]) * _PAGE
    return Vitals(resident, len([*(process / "fd").iterdir()]), len([*(process / "task").iterdir()]))


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def growth(seen: Sequence[Vitals]) -> float:
    """Memory at the end as a part of memory at the beginning; of each the median of a fifth of all."""
    fifth = max(len(seen) // 5, 1)
    first, last = (statistics.median(each.memory for each in part) for part in (seen[:fifth], seen[-fifth:]))
    return last / first


def show(seen: Sequence[Vitals]) -> str:
    memory = ", ".join(f"{each.memory / _MIB:.1f}" for each in seen[:: max(len(seen) // 20, 1)])
    return f"MiB: {memory}; files: {seen[-1].files}, threads: {seen[-1].threads}"
