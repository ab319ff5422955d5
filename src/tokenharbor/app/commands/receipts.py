"""`receipt`: a request's receipt, shown or verified."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import BinaryIO

import click

from tokenharbor.app.commands.arguments import REQUEST
from tokenharbor.app.commands.common import Command, CommandResult, Group, current_settings, field_lines, show_result
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.secrets import receipt_signer, root_secret
from tokenharbor.app.session import CommandSession, require_home
from tokenharbor.billing.check import check_receipt, read_keys
from tokenharbor.billing.proofs import Prover
from tokenharbor.billing.receipts import read_receipt
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.history import RequestHistory


class _ReceiptGroup(Group):
    """The group of `receipt verify FILE`; any other argument is a request's id, and shows its receipt."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _show

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return "REQUEST_ID", _show, args
        return super().resolve_command(ctx, args)


@click.group(cls=_ReceiptGroup, subcommand_metavar="REQUEST_ID | verify FILE")
def receipt() -> None:
    """Show a request's receipt, or verify one offline."""


@click.command(cls=Command)
@click.argument("request_id", type=REQUEST, metavar="REQUEST_ID")
@at_database
async def _show(session: CommandSession, request_id: UUID) -> CommandResult:
    """Show a request's signed receipt with its proof."""
    prover = Prover(session.conn, receipt_signer(session.root), session.world.clock)
    document = await read_receipt(RequestHistory(session.conn), prover, request_id)
    return CommandResult(document, list(field_lines(document)))


@receipt.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--keys",
    type=click.File("rb"),
    metavar="FILE",
    help="Issuer's public keys, saved from /.well-known/tokenharbor-receipts.json. Default: the keys of this HOME.",
)
def verify(file: BinaryIO, keys: BinaryIO | None) -> None:
    """Verify a receipt offline. FILE may be - for stdin. Exits 1 if the receipt is not valid."""
    verdict = check_receipt(file.read(), _own_keys() if keys is None else read_keys(keys.read(), keys.name))
    lines = [f"{verdict.id} is valid", *(f"proven: {each}" for each in verdict.proven)]
    lines += [f"not proven: {each}" for each in verdict.not_proven]
    failure = None if verdict.fault is None else f"the receipt is not valid: {verdict.fault}"
    show_result(CommandResult({"ok": failure is None, **asdict(verdict)}, [] if failure else lines, failure))


def _own_keys() -> Mapping[str, bytes]:
    settings = current_settings()
    require_home(settings)
    signer = receipt_signer(root_secret(settings, real_world().entropy))
    return {signer.key_id: signer.public_key}
