"""CSV output of commands: line by line to stdout, to a file, or as one JSON document."""

import contextlib
import csv
from collections.abc import AsyncIterator
from pathlib import Path

import click

from tokenharbor.app.commands.common import CommandResult, wants_json


async def write_csv(lines: AsyncIterator[str], target: Path | None, usual_name: str) -> CommandResult:
    """Write CSV lines to `target`: a file, a folder (which gets a file `usual_name`), or stdout if None.

    An existing file is replaced. Raises Missing, DatabaseUnavailable, as the lines do.
    """
    if target is None and wants_json():
        return CommandResult(list(csv.DictReader([line async for line in lines])), ())
    if target is None:
        async with contextlib.aclosing(lines):  # type: ignore[type-var]  # an async generator
            async for line in lines:
                click.echo(line, nl=False)
        return CommandResult(None, ())
    path = _file_of(target, usual_name)
    first = await anext(lines)  # raises Missing before the file is created
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(first)
        async for line in lines:
            rows += file.write(line) > 0
    return CommandResult({"file": str(path), "rows": rows}, [f"wrote {rows} rows to {path}"])


def _file_of(target: Path, usual_name: str) -> Path:
    return target / usual_name if target.is_dir() else target
