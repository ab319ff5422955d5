"""`jobs`: background jobs, their last runs and failures."""

import click

from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.jobs.runs import JobDocument, list_runs, make_due
from tokenharbor.kernel.documents import plain_document

_HEADS = ("job", "every", "runs", "last_began_at", "last_ended_at", "fault")


@click.group(cls=Group)
def jobs() -> None:
    """List background jobs, and run one now."""


@jobs.command("list")
@at_database
async def list_all(session: CommandSession) -> CommandResult:
    """List the background jobs and their last runs."""
    found = [plain_document(JobDocument.of(each)) for each in await list_runs(session.conn)]
    return CommandResult(found, table(_HEADS, [tuple(each[head] for head in _HEADS) for each in found]))


@jobs.command()
@click.argument("name", metavar="NAME")
@at_database
async def run(session: CommandSession, name: str) -> CommandResult:
    """Make a job due now. A running server starts it within 5 seconds."""
    await make_due(session.conn, name)
    return CommandResult({"job": name, "due": True}, [f"{name} is due: a running server starts it within 5 seconds"])
