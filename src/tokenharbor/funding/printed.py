"""The contents of a printed document, independent of layout: issuer, facts, tables, notes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issuer:
    """The operator, who issues a printed document. `address` may have several lines."""

    name: str = ""
    address: str = ""
    email: str = ""
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table of a printed document; its last `numbers` columns are aligned as numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: int = 1


@dataclass(frozen=True, slots=True)
class PrintedDocument:
    """The contents of a printed document. `facts` are pairs of label and value; `notes` are printed at the end."""

    title: str
    issuer: Issuer
    facts: Sequence[tuple[str, str]]
    tables: Sequence[PrintedTable]
    notes: Sequence[str] = ()
