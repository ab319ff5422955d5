"""PDF output of commands: statements and receipts with the operator's details."""

from typing import BinaryIO

import msgspec

from tokenharbor.app.commands.common import CommandResult
from tokenharbor.app.settings import Settings
from tokenharbor.funding.paper import Issuer, Paper


def issuer_of(settings: Settings) -> Issuer:
    """Return the issuer of papers, from `[operator]`."""
    return Issuer(**msgspec.structs.asdict(settings.operator))


def write_paper(paper: Paper, file: BinaryIO) -> CommandResult:
    from tokenharbor.funding.pdf import write_pdf  # noqa: PLC0415  reportlab takes 0.3 s to import

    write_pdf(paper, file)
    return CommandResult({"file": file.name}, [f"wrote {paper.title} to {file.name}"])
