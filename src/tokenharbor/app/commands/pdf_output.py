"""PDF output of commands: statements and receipts with the operator's details."""

from typing import BinaryIO

import msgspec

from tokenharbor.app.commands.common import CommandResult
from tokenharbor.app.settings import Settings
from tokenharbor.funding.printed import Issuer, PrintedDocument


def issuer_of(settings: Settings) -> Issuer:
    """Return the issuer of printed documents, from `[operator]`."""
    return Issuer(**msgspec.structs.asdict(settings.operator))


def write_printed(printed: PrintedDocument, file: BinaryIO) -> CommandResult:
    from tokenharbor.funding.pdf import write_pdf  # noqa: PLC0415  reportlab takes 0.3 s to import

    write_pdf(printed, file)
    return CommandResult({"file": file.name}, [f"wrote {printed.title} to {file.name}"])
