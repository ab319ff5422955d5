"""The journal of `make clients`: a line for each result as soon as it is known, so that a run can be resumed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

How = Literal["in full", "resumed", "alone"]


@dataclass(frozen=True)
class Sitting:
    """One start of the program: when (UTC), of which commit, and what it was to do."""

    began: str
    commit: str
    how: How


@dataclass(frozen=True)
class Cell:
    """How a client went with an upstream; `faults` is empty if all is as it should be."""

    client: str
    dialect: str
    version: str
    upstream: str
    faults: tuple[str, ...]
    requests: int
    seconds: int
    ended: str
    sitting: Sitting
    output: str = field(default="", repr=False)

    @property
    def place(self) -> tuple[str, str, str]:
        return self.client, self.dialect, self.upstream


class Journal:
    """A file of JSON lines; of two lines for one cell the later holds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """A run from the start forgets the one before."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text("")

    def note(self, cell: Cell) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(cell), ensure_ascii=False) + "\n")

    def cells(self) -> dict[tuple[str, str, str], Cell]:
        """A line that a crash cut short is left out."""
        lines = self.path.read_text().split("\n") if self.path.exists() else []
        return {cell.place: cell for cell in map(_read, lines[:-1])}


def _read(line: str) -> Cell:
    said = json.loads(line)
    sitting = Sitting(**said.pop("sitting"))
    return Cell(**said | {"faults": tuple(said["faults"]), "sitting": sitting})


def sittings(cells: Iterable[Cell]) -> dict[Sitting, list[Cell]]:
    """The cells of each, oldest first."""
    found: dict[Sitting, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.sitting.began, cell.ended)):
        found.setdefault(cell.sitting, []).append(cell)
    return found
