"""What a durable write costs on this disk, by PostgreSQL's own `pg_test_fsync`."""

import re
from pathlib import Path

from bench.machine import command_output
from tokenharbor.db.programs import find_programs

_LINE = re.compile(r"fdatasync\s+([\d.]+) ops/sec\s+([\d.]+) usecs/op")


def fdatasync_us(folder: Path) -> float:
    """Microseconds of one 8 KiB write with fdatasync, in the folder's file system."""
    file = folder / "fsync.bin"
    said = command_output(str(find_programs().folder / "pg_test_fsync"), "-s", "1", "-f", str(file))
    found = _LINE.search(said)
    assert found is not None, said
    return float(found[2])
