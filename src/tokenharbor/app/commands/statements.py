"""`statements`: an account's statement for a period, as CSV or PDF."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import BinaryIO

import click

from tokenharbor.app.commands.arguments import ACCOUNT, MOMENT
from tokenharbor.app.commands.common import Command, CommandResult
from tokenharbor.app.commands.csv_output import write_csv
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.commands.pdf_output import issuer_of, write_printed
from tokenharbor.app.session import CommandSession
from tokenharbor.funding.statement_files import printed_statement, statement_lines
from tokenharbor.funding.statements import StatementSpan, read_statement
from tokenharbor.kernel.ids import UUID


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--from", "since", type=MOMENT, required=True, metavar="TIME", help="Start, inclusive (UTC).")
@click.option("--to", "until", type=MOMENT, required=True, metavar="TIME", help="End, exclusive (UTC).")
@click.option("--pdf", type=click.File("wb", lazy=True), metavar="FILE", help="Write a PDF instead of CSV to stdout.")
@at_database
async def statements(
    session: CommandSession, account_id: UUID, *, since: datetime, until: datetime, pdf: BinaryIO | None
) -> CommandResult:
    """Write an account's statement for a period. It lists the opening and closing balance and every change between.

    Usage is summed by day and model; payments are listed with their captures.
    """
    statement = await read_statement(session.conn, account_id, StatementSpan(since, until))
    if pdf is None:
        return await write_csv(_each(statement_lines(statement)), None, "")
    return write_printed(printed_statement(statement, issuer_of(session.settings), session.world.clock.now()), pdf)


async def _each(lines: Iterator[str]) -> AsyncIterator[str]:
    for line in lines:
        yield line
