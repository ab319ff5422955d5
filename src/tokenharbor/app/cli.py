"""The command line: the table of commands, loaded on demand, and the exit codes of errors."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from tokenharbor import __version__
from tokenharbor.app.commands.common import Group
from tokenharbor.kernel.errors import HarborError

_COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve",
    "accounts": "accounts",
    "credit": "accounts",
    "balance": "accounts",
    "keys": "keys",
    "usage": "usage",
    "receipt": "receipts",
    "ledger": "ledger",
    "statements": "statements",
    "reconcile": "reconcile",
    "topups": "topups",
    "auto-topup": "auto_topup",
    "alerts": "alerts",
    "notices": "alerts",
    "refunds": "refunds",
    "disputes": "disputes",
    "withdrawals": "withdrawals",
    "payees": "withdrawals",
    "jobs": "jobs",
    "gateways": "gateways",
    "rewards": "rewards",
    "codes": "rewards",
    "referrals": "rewards",
    "catalog": "catalog",
    "providers": "providers",
    "edition": "editions",
    "operators": "operators",
    "openapi": "openapi",
    "orchestra": "orchestra",
    "doctor": "doctor",
    "simulator": "simulator",
}
"""Commands by the file in `commands/` that defines each."""


class LazyGroup(Group):
    """A group that imports a command only when it is called, so that commands with few imports start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"tokenharbor.app.commands.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=LazyGroup)
@click.version_option(__version__, message="tokenharbor %(version)s")
def cli() -> None:
    """Token Harbor: an AI gateway and a prepaid wallet in one program."""


def main() -> None:
    """Run the program and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code: 0 done, 1 refused or failed, 2 usage error.

    An error is printed as one line on stderr.
    """
    try:
        code = cli.main(list(arguments), prog_name="tokenharbor", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        return _end(2, f"{error.format_message()} (see {_path(error)} --help)")
    except BrokenPipeError:  # the reader of our output closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, click.Abort):
        return _end(1, "interrupted")
    except OSError as error:
        return _end(1, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
    except (HarborError, click.ClickException) as error:
        return _end(1, str(error))
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _end(1, f"internal error: {type(error).__name__}: {error} (python -X dev shows the traceback)")
    return code if isinstance(code, int) else 0


def _end(code: int, message: str) -> int:
    click.echo("tokenharbor: " + " ".join(message.split()), err=True)
    return code


def _path(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else "tokenharbor"
