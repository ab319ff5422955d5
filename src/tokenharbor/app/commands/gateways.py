"""`gateways`: the runs of gateways on this database, and the release of a lost gateway's holds."""

import click

from tokenharbor.app.commands.arguments import GATEWAY
from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.lapsed import RunState, list_runs
from tokenharbor.ledger.lapsed import abandon as abandon_gateway


@click.group(cls=Group)
def gateways() -> None:
    """List gateways, and release the holds of a lost one."""


@gateways.command("list")
@at_database
async def list_all(session: CommandSession) -> CommandResult:
    """List gateway runs that have not ended or still hold money."""
    found = await list_runs(session.conn)
    rows = [(_name(run), run.slot, run.epoch, run.state, run.holds, str(run.held), run.home) for run in found]
    documents = [
        {
            "gateway": _name(run),
            "run": str(run.id),
            "slot": run.slot,
            "epoch": run.epoch,
            "state": run.state,
            "home": run.home,
            "started_at": show_time(run.started_at),
            "holds": run.holds,
            "held_usd": str(run.held),
        }
        for run in found
    ]
    return CommandResult(documents, table(("gateway", "slot", "epoch", "state", "holds", "held USD", "home"), rows))


@gateways.command()
@click.argument("gateway_id", type=GATEWAY, metavar="GATEWAY")
@at_database
async def abandon(session: CommandSession, gateway_id: UUID) -> CommandResult:
    """Release all holds of a gateway whose HOME is lost. Refused while the gateway is alive."""
    given = await abandon_gateway(session.conn, gateway_id, session.world.clock.now())
    holds, amount = sum(each.holds for each in given), Usd(sum([each.amount for each in given]))
    name = ids.show("gw", gateway_id)
    document = {"gateway": name, "runs": len(given), "holds": holds, "given_up_usd": str(amount)}
    return CommandResult(document, [f"released {holds} holds of {name}, {amount} USD"])


def _name(run: RunState) -> str:
    return ids.show("gw", run.gateway_id or run.id)
