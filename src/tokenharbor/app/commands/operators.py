"""`operators`: users who operate this server, and sign in without a password."""

import click

from tokenharbor.app.commands.common import CommandResult, Group
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.first_run import OPERATOR
from tokenharbor.app.operators import make_operator_token, operator_link
from tokenharbor.app.server_url import command_browser_url
from tokenharbor.app.session import CommandSession


@click.group(cls=Group)
def operators() -> None:
    """Sign in as an operator of this server."""


@operators.command("sign-in")
@click.option("--email", default=OPERATOR, show_default=True, metavar="EMAIL", help="User's e-mail address.")
@at_database
async def sign_in(session: CommandSession, email: str) -> CommandResult:
    """Make a user an operator and print a sign-in link. It works once, within 24 hours."""
    async with session.conn.transaction():
        token = await make_operator_token(session.conn, session.world, session.root, email)
    link = operator_link(command_browser_url(session.settings), token)
    return CommandResult({"email": email, "link": link}, [link])
