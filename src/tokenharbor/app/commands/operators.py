"""`operators`: users who operate this server, let in without a password."""

import click

from tokenharbor.app.commands.common import CommandResult, Group
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.first_run import OPERATOR
from tokenharbor.app.operators import make_operator_token, operator_link
from tokenharbor.app.server_url import command_browser_url
from tokenharbor.app.session import CommandSession


@click.group(cls=Group)
def operators() -> None:
    """Let operators of this server in."""


@operators.command("sign-in")
@click.option("--email", default=OPERATOR, show_default=True, metavar="E", help="E-mail of the user.")
@at_database
async def sign_in(session: CommandSession, email: str) -> CommandResult:
    """Make a user an operator, and print a link that signs in once, within 24 hours."""
    async with session.conn.transaction():
        token = await make_operator_token(session.conn, session.world, session.root, email)
    link = operator_link(command_browser_url(session.settings), token)
    return CommandResult({"email": email, "link": link}, [link])
