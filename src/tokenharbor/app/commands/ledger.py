"""`ledger`: the books: verified, signed, listed and exported."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from tokenharbor.app.commands.arguments import ACCOUNT, MOMENT
from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.csv_output import write_csv
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.request_process import start_request_check
from tokenharbor.app.secrets import receipt_signer
from tokenharbor.app.session import CommandSession
from tokenharbor.billing.roots import read_kept, write_root
from tokenharbor.funding.audit import find_capture_fault
from tokenharbor.funding.balances import read_address_balances
from tokenharbor.funding.documents import AddressBalancesDocument
from tokenharbor.funding.store import read_lot_payments
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.export import EntryFilter
from tokenharbor.ledger.export import export as export_ledger
from tokenharbor.ledger.roots import Root
from tokenharbor.ledger.sign import roots as roots_of
from tokenharbor.ledger.sign import sign_books
from tokenharbor.ledger.verify import TrustAnchors
from tokenharbor.ledger.verify import verify as verify_books
from tokenharbor.rewards.audit import find_reward_fault


@click.group(cls=Group)
def ledger() -> None:
    """Verify, sign and export the books."""


@ledger.command()
@click.option(
    "--roots",
    "kept",
    type=click.File("rb"),
    metavar="FILE",
    help="Also compare with roots kept elsewhere, as written by `ledger roots --export`.",
)
@at_database
async def verify(session: CommandSession, *, kept: BinaryIO | None) -> CommandResult:
    """Verify all balances, invariants, hash chains and signed roots. On a fault, prints the first one and exits 1."""
    signer = receipt_signer(session.root)
    kept_roots = [] if kept is None else read_kept(kept.read(), kept.name)
    trust = TrustAnchors({signer.key_id: signer.public_key}, kept_roots)
    async with start_request_check(session) as requests:
        report = await verify_books(session.conn, trust=trust, requests=requests)
    fault = report.fault or await find_capture_fault(session.conn) or await find_reward_fault(session.conn)
    document = {
        "ok": fault is None,
        "accounts": report.accounts,
        "entries": report.entries,
        "roots": report.signed,
        "roots_kept": len(kept_roots),
        "fault": fault,
    }
    against = f", {len(kept_roots)} of them compared with {kept.name}" if kept is not None else ""
    counts = f"{report.accounts} accounts, {report.entries} entries and {report.signed} signed roots"
    lines = [] if fault else [f"verified: {counts}{against}"]
    return CommandResult(document, lines, fault)


@ledger.command()
@at_database
async def balances(session: CommandSession) -> CommandResult:
    """Show the balances of all addresses outside accounts. These are revenue, expenses, liabilities and clearing.
    Reads all entries.
    """
    found = await read_address_balances(session.conn)
    document = plain_document(AddressBalancesDocument.of(found))
    rows = [*document["balances_usd"].items(), ("accounts", document["accounts_usd"])]
    fault = f"the balances sum to {found.difference} USD instead of 0: run ledger verify" if found.difference else None
    return CommandResult(document, table(("address", "USD"), rows), fault)


@ledger.command()
@at_database
async def sign(session: CommandSession) -> CommandResult:
    """Sign the entries written since the last root. The server does so every ten minutes."""
    signed = await sign_books(session.conn, session.world, receipt_signer(session.root))
    document = {"root": None if signed.root is None else write_root(signed.root), "faults": signed.faults}
    lines = ["nothing new to sign"] if signed.root is None and not signed.faults else []
    if signed.root is not None:
        lines.append(f"root {signed.root.number} covers {signed.root.entries} entries")
    return CommandResult(document, lines, "; ".join(signed.faults) or None)


@ledger.command()
@click.option(
    "--export",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the roots as JSON, one per line, to keep elsewhere; - is stdout.",
)
@at_database
async def roots(session: CommandSession, *, target: Path | None) -> CommandResult:
    """List or export the signed roots."""
    found = [root async for root in roots_of(session.conn)]
    if target is not None:
        return _exported(found, target)
    head = ("number", "made_at", "entries", "cuts", "tree")
    rows = [(root.number, show_time(root.made_at), root.entries, root.cuts, root.tree.hex()) for root in found]
    return CommandResult([write_root(root) for root in found], table(head, rows))


def _exported(found: Sequence[Root], target: Path) -> CommandResult:
    text = b"".join([msgspec.json.encode(write_root(root)) + b"\n" for root in found])
    if str(target) == "-":
        sys.stdout.buffer.write(text)
        return CommandResult(None, ())
    target.write_bytes(text)
    document: dict[str, Any] = {"roots": len(found), "file": str(target)}
    return CommandResult(
        document, [f"wrote {len(found)} roots to {target}; keep it where this machine cannot change it"]
    )


@ledger.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--type", "kind", metavar="TYPE", help="Only entries of this type: recharge, usage, expiry, …")
@click.option("--from", "since", type=MOMENT, metavar="TIME", help="Start, inclusive (UTC).")
@click.option("--to", "until", type=MOMENT, metavar="TIME", help="End, exclusive (UTC).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value=".",
    metavar="[PATH]",
    help="Write to a file, or to tokenharbor-ledger-DATE.csv in a folder (default: this one). Without it: stdout.",
)
@at_database
async def export(session: CommandSession, /, account_id: UUID, *, out: Path | None, **choice: Any) -> CommandResult:
    """Export an account's entries as CSV with a running balance."""
    entries = EntryFilter(None if choice["kind"] is None else [choice["kind"]], choice["since"], choice["until"])
    lines = export_ledger(session.conn, account_id, entries, read_lot_payments)
    today = session.world.clock.now().date()
    return await write_csv(lines, out, f"tokenharbor-ledger-{today}.csv")
