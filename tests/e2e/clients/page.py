"""The tables of docs/clients.md, made from the journals of runs."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tests.e2e.clients.journal import Cell, How, Sitting, sittings
from tests.e2e.clients.upstreams import UPSTREAMS

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"
_REASON_CHARS = 300
_HOW: Mapping[How, str] = {
    "in full": "Full run",
    "resumed": "Cells that the previous run had not tried",
    "alone": "Repeated, one at a time",
}


def write_page(cells: Collection[Cell]) -> None:
    write_between("matrix", table(cells))


def write_between(name: str, lines: Iterable[str]) -> None:
    """Between the two marks of this name; what stands around them is people's."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = PAGE.read_text().split(begin)
    PAGE.write_text(before + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])


def table(cells: Collection[Cell]) -> Iterator[str]:
    """A cell that is not of the run that began the journal has that sitting's letter."""
    sat = sittings(cells)
    letters = {sitting: "" if number == 0 else chr(ord("a") + number - 1) for number, sitting in enumerate(sat)}
    reasons: list[str] = []
    yield "| Client | Version | Dialect | " + " | ".join(f"`{wire}`" for wire in UPSTREAMS) + " |"
    yield "|---|---|---|" + ":-:|" * len(UPSTREAMS)
    for name, dialect in dict.fromkeys((cell.client, cell.dialect) for cell in cells):
        row = [cell for cell in cells if (cell.client, cell.dialect) == (name, dialect)]
        shown = [_shown(cell, reasons, letters[cell.sitting]) for cell in row]
        yield f"| {name} | {row[0].version} | `{dialect}` | " + " | ".join(shown) + " |"
    yield ""
    yield f"{sum(not cell.faults for cell in cells)} of {len(cells)} work."
    yield from (f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    for sitting, letter in letters.items():
        yield ""
        yield _sat(sitting, sat[sitting], letter)


def _shown(cell: Cell, reasons: list[str], letter: str) -> str:
    mark = f" <sup>{letter}</sup>" if letter else ""
    if not cell.faults:
        return ("yes, spliced" if cell.upstream == cell.dialect else "yes") + mark
    reason = re.sub(r"[|<>`]", " ", "; ".join(cell.faults))[:_REASON_CHARS]
    if reason not in reasons:
        reasons.append(reason)
    return f"**no** ({reasons.index(reason) + 1}){mark}"


def _sat(sitting: Sitting, cells: Collection[Cell], letter: str) -> str:
    mark = f"<sup>{letter}</sup> " if letter else ""
    until = max(cell.ended for cell in cells)
    count = f"{len(cells)} cell{'s'[: len(cells) != 1]}"
    return f"{mark}{_HOW[sitting.how]}, {span(sitting.began, until)}: {count}."


def span(began: str, ended: str) -> str:
    """Two minutes as YYYY-MM-DD HH:MM; the day once, if it is one."""
    day, _, minute = ended.partition(" ")
    return f"{began} to {minute if began.startswith(day) else ended} UTC"
