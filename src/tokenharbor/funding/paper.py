"""What stands on a paper, however it is laid out: the operator, facts, tables, notes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues a paper: the operator. `address` has a line for each line."""

    name: str = ""
    address: str = ""
    email: str = ""
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class PaperTable:
    """Rows under a head; the last `numbers` columns are numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: int = 1


@dataclass(frozen=True, slots=True)
class Paper:
    """What a PDF shows. `facts` are labels and values; `notes` stand at its end."""

    title: str
    issuer: Issuer
    facts: Sequence[tuple[str, str]]
    tables: Sequence[PaperTable]
    notes: Sequence[str] = ()
