"""`catalog price`: a stored price. Separate from `catalog`, which must not import the database driver."""

import re
from typing import Final

from tokenharbor.app.commands.common import CommandResult, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.catalog.describe import describe_price
from tokenharbor.catalog.price import load_price
from tokenharbor.kernel.errors import Missing
from tokenharbor.ledger.history import RequestHistory

_VERSION: Final = re.compile(r"[0-9a-f]{64}")
_COLUMNS: Final = ("unit", "usd", "per", "above_input", "hours", "from")


@at_database
async def show_price(session: CommandSession, version: str) -> CommandResult:
    """Show the lines of a stored price. Raises Missing."""
    known = bytes.fromhex(version) if _VERSION.fullmatch(version) else b""
    body = await RequestHistory(session.conn).price(known)
    if body is None:
        raise Missing(f"no price of version {version[:64]!r}: give all 64 digits, as in a receipt")
    lines = describe_price(load_price(body.encode()))
    rows = [tuple(line[column] for column in _COLUMNS) for line in lines]
    return CommandResult({"version": version, "lines": lines}, table(_COLUMNS, rows))
