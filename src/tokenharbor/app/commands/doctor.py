"""`doctor`: checks what the server needs, and prints one line per check with its fix."""

import asyncio
from dataclasses import asdict

import click

from tokenharbor.app.checks import CheckState, run_checks
from tokenharbor.app.commands.common import Command, CommandResult, current_settings, show_result
from tokenharbor.app.commands.database import log_to_stderr
from tokenharbor.kernel.world import real_world


@click.command(cls=Command)
def doctor() -> None:
    """Check what the server needs. Checks the database, migrations, Redis, mail, providers, clock, disk and
    permissions; exits 1 if a check fails.
    """
    log_to_stderr()
    checks = asyncio.run(run_checks(current_settings(), real_world()))
    lines = [
        f"{each.state:<4} {each.check}: {each.message}" + (f" ({each.fix})" if each.fix else "") for each in checks
    ]
    bad = sum(each.state is CheckState.BAD for each in checks)
    failure = f"{bad} of {len(checks)} checks failed" if bad else None
    show_result(CommandResult([asdict(check) for check in checks], lines, failure))
